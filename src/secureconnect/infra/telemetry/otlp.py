"""Spans as a collector takes them: OTLP over HTTP with protobuf
(https://opentelemetry.io/docs/specs/otlp/, opentelemetry/proto/trace/v1/trace.proto).

The few messages that are needed are written here field by field: the SDK would bring a thread, a protobuf
runtime and a cost per request also while tracing is off.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import httpx

from secureconnect.infra.telemetry import tracing
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.telemetry.tracing import Span, Value

__all__ = ["Exporter", "encode"]

log = get_logger()

_EVERY: Final = 1.0
_BATCH: Final = 512
_TIMEOUT: Final = 5.0
_KINDS: Final = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_ERROR: Final = 2


class Exporter:
    """Hands finished spans to a collector. One that is away loses spans and disturbs nobody.

    Args:
        endpoint: `http(s)://host:port`; the path `/v1/traces` is added unless there is one.
    """

    def __init__(self, endpoint: str, service: str, version: str) -> None:
        base = endpoint.rstrip("/")
        self._url = base if "/" in base.partition("://")[2] else f"{base}/v1/traces"
        self._resource = {"service.name": service, "service.version": version}
        self._away = False

    async def run(self) -> None:
        """Export until cancelled."""
        async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
            while True:
                await asyncio.sleep(_EVERY)
                while tracing.finished:
                    await self._export(client, self._take())

    async def close(self) -> None:
        """Export what is left."""
        async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
            if tracing.finished:
                await self._export(client, self._take())

    def _take(self) -> list[Span]:
        return [tracing.finished.popleft() for _ in range(min(_BATCH, len(tracing.finished)))]

    async def _export(self, client: httpx.AsyncClient, spans: Sequence[Span]) -> None:
        headers = {"content-type": "application/x-protobuf"}
        try:
            answer = await client.post(self._url, content=encode(spans, self._resource), headers=headers)
            reason = "" if answer.is_success else f"it answered {answer.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = type(error).__name__
        if reason and not self._away:
            log.warning("traces do not go out", dependency="otlp", reason=reason)
        elif not reason and self._away:
            log.info("traces go out again", dependency="otlp")
        self._away = bool(reason)


def encode(spans: Iterable[Span], resource: dict[str, str]) -> bytes:
    """An ExportTraceServiceRequest."""
    scope = _text(1, "secureconnect")
    scope_spans = _message(1, scope) + b"".join(_message(2, _span(span)) for span in spans)
    attributes = b"".join(_attribute(1, name, value) for name, value in resource.items())
    return _message(1, _message(1, attributes) + _message(2, scope_spans))


def _span(span: Span) -> bytes:
    parts = [
        _bytes(1, span.trace_id),
        _bytes(2, span.span_id),
        _bytes(4, span.parent_id) if span.parent_id else b"",
        _text(5, span.name),
        _number(6, _KINDS[span.kind]),
        _fixed(7, span.started),
        _fixed(8, span.ended),
        *(_attribute(9, name, value) for name, value in span.attributes.items()),
        *(_message(13, _bytes(1, trace_id) + _bytes(2, span_id)) for trace_id, span_id in span.links),
        _message(15, _number(3, _ERROR)) if span.failed else b"",
    ]
    return b"".join(parts)


def _attribute(field: int, name: str, value: Value) -> bytes:
    if isinstance(value, bool):
        encoded = _number(2, int(value))
    elif isinstance(value, int):
        encoded = _number(3, value)
    elif isinstance(value, float):
        encoded = _text(1, repr(value))
    else:
        encoded = _text(1, value)
    return _message(field, _text(1, name) + _message(2, encoded))


def _varint(number: int) -> bytes:
    number &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _fixed(field: int, value: int) -> bytes:
    return _varint(field << 3 | 1) + value.to_bytes(8, "little")


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode("utf-8", "replace"))


def _message(field: int, value: bytes) -> bytes:
    return _bytes(field, value)
