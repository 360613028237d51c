"""Structured logs: one JSON object per line on stdout (docs/reference/logs.md).

Never logged at any level: passwords, message text, keys, raw query strings, whole tokens.
Callers pass facts by name; the masking below is the second line of defence.
"""

import json
import logging
import logging.handlers
import re
import sys
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from types import FrameType
from typing import Any, Protocol

import msgspec
import structlog

from secureconnect.infra.telemetry import tracing
from secureconnect.kit.clock import rfc3339

__all__ = ["configure", "get_logger", "mask", "set_level"]

_LEVELS = {"debug": 10, "info": 20, "warn": 30, "error": 40}
_NAMES = {"warning": "warn", "exception": "error", "critical": "error"}
_TOKEN = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]+|scb_[\w-]{20,}|(?<=[?&]ticket=)[\w-]+|(?<=[Bb]earer )[\w.~+/-]+"
)
_ROTATE_BYTES = 100 * 1024 * 1024

Event = MutableMapping[str, Any]


def get_logger() -> Any:
    """A logger; `log.info("what happened", name=value)`. It takes its configuration at the first use."""
    return structlog.get_logger()


def mask(token: str) -> str:
    """First and last 4 characters; nothing of short ones."""
    return f"{token[:4]}****{token[-4:]}" if len(token) > 8 else "****"


def configure(*, service: str, level: str = "info", text: bool = False, file: str | None = None) -> None:
    """Set the process's logging up, the standard library's included.

    Args:
        service: the constant field `service`.
        level: debug, info, warn or error.
        text: human-readable lines instead of JSON.
        file: also write there, rotated at 100 MiB, 5 files kept.
    """
    sinks: list[_Sink] = [sys.stdout]
    if file is not None:
        sinks.append(_RotatingFile(file))
    render: Any = structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty()) if text else _json
    structlog.configure(
        processors=[
            _filter,
            _common(service),
            structlog.processors.format_exc_info,
            _exception,
            _clean,
            render,
        ],  # The level is looked up by `_filter`, so that it can change while loggers are cached.
        wrapper_class=structlog.make_filtering_bound_logger(0),
        logger_factory=lambda *_: _Writer(sinks),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forward()], level=logging.DEBUG, force=True)
    set_level(level)
    for chatty in ("alembic", "uvicorn", "uvicorn.error", "httpcore", "httpx", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


_threshold = 20


def set_level(level: str) -> None:
    """Write lines of this level and above from now on."""
    global _threshold  # noqa: PLW0603 - one level per process
    _threshold = _LEVELS[level]
    logging.getLogger().setLevel(_threshold)


def _filter(_: Any, method: str, event: Event) -> Event:
    if _LEVELS[_NAMES.get(method, method)] < _threshold:
        raise structlog.DropEvent
    return event


class _Sink(Protocol):
    def write(self, line: str, /) -> object: ...

    def flush(self) -> None: ...


class _Writer:
    """Writes whole lines; structlog calls it by level.

    A line that cannot be written is lost: the disk of the log may be full or its reader gone, and the work
    that it tells about must not fail for that.
    """

    def __init__(self, sinks: list[_Sink]) -> None:
        self._sinks = sinks

    def msg(self, line: str) -> None:
        for sink in self._sinks:
            with suppress(OSError, ValueError):
                sink.write(line + "\n")
                sink.flush()

    debug = info = warning = error = critical = exception = msg


class _RotatingFile(logging.handlers.RotatingFileHandler):
    """The standard rotation, used as a stream."""

    def __init__(self, path: str) -> None:
        super().__init__(path, maxBytes=_ROTATE_BYTES, backupCount=5, delay=True)
        self.setFormatter(logging.Formatter("%(message)s"))
        self.terminator = ""

    def write(self, line: str) -> None:
        self.emit(logging.makeLogRecord({"msg": line}))


class _Forward(logging.Handler):
    """Sends records of libraries through the same pipeline."""

    def emit(self, record: logging.LogRecord) -> None:
        write = getattr(structlog.get_logger(), record.levelname.lower(), None)
        if write is not None:
            write(record.getMessage(), caller=f"{record.name}:{record.lineno}", exc_info=record.exc_info)


def _common(service: str) -> Callable[[Any, str, Event], Event]:
    def add(_: Any, method: str, event: Event) -> Event:
        facts: dict[str, Any] = {
            "timestamp": rfc3339(time.time_ns() // 1_000_000),
            "level": _NAMES.get(method, method),
            "message": event.pop("event"),
            "service": service,
            "caller": event.pop("caller", None) or _caller(),
        }
        work = tracing.current()
        if work is not None:
            facts["trace_id"], facts["span_id"] = work.trace_id.hex(), work.span_id.hex()
        facts.update(event)
        return facts

    return add


def _caller() -> str:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith("structlog") and module != __name__:
            return f"{module}:{frame.f_lineno}"
        frame = frame.f_back
    return "unknown"


def _exception(_: Any, __: str, event: Event) -> Event:
    """`exception` names the kind, `stacktrace` shows where."""
    trace = event.pop("exception", None)
    if isinstance(trace, str):
        event["exception"] = trace.rstrip().rpartition("\n")[2].partition(":")[0]
        event["stacktrace"] = trace
    return event


def _clean(_: Any, __: str, event: Event) -> Event:
    for key, value in event.items():
        if isinstance(value, str) and _TOKEN.search(value):
            event[key] = _TOKEN.sub(lambda found: mask(found.group()), value)
    return event


_encoder = msgspec.json.Encoder(enc_hook=str)


def _json(_: Any, __: str, event: Event) -> str:
    try:
        return _encoder.encode(event).decode()
    except (TypeError, ValueError, OverflowError):  # lone surrogates, huge numbers, odd keys
        return json.dumps({key: _plain(value) for key, value in event.items()})


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | float | bool | None) else repr(value)
