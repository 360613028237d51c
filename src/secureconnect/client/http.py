"""Requests and envelopes (HTTP reference, conventions)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

import httpx
import msgspec

from secureconnect import __version__
from secureconnect.client.errors import (
    ApiFailure,
    ConnectionLost,
    ProtocolError,
    TokenExpired,
    failure,
)
from secureconnect.client.models.base import Page
from secureconnect.client.retry import RetryPolicy
from secureconnect.kit.errors import Detail
from secureconnect.kit.ids import new_id

__all__ = ["USER_AGENT", "Http", "Json", "TokenSource", "decode", "parse_failure", "part"]

T = TypeVar("T")
Json = dict[str, msgspec.Raw]
Scalar = str | int | bool | datetime | None

USER_AGENT = f"secureconnect-python/{__version__}"

# The server gives up on a request after 30 s; a little more here, so that its own answer wins.
_TIMEOUT = httpx.Timeout(35, connect=5, pool=35)
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_PROXY_CODES = {502: "BAD_GATEWAY", 503: "SERVICE_UNAVAILABLE", 504: "REQUEST_TIMEOUT"}


class _Fault(msgspec.Struct):
    code: str
    message: str
    details: list[Detail] = []


class _Meta(msgspec.Struct):
    request_id: str


class _Envelope(msgspec.Struct):
    success: bool
    meta: _Meta
    data: msgspec.Raw = msgspec.Raw(b"{}")
    error: _Fault | None = None


_envelopes = msgspec.json.Decoder(_Envelope)


class TokenSource(Protocol):
    """Where access tokens come from."""

    @property
    def access_token(self) -> str: ...

    async def renew(self, stale: str) -> str: ...


class Http:
    """Calls routes, unwraps envelopes, refreshes once, repeats what is safe to repeat.

    Safe are GETs and calls that carry a client_message_id or an Idempotency-Key; anything is when the request
    never left or the server says that it did nothing. `Retry-After` is honoured.

    Args:
        url: `https://host[:port]`.
        tokens: asked for the access token of each call.
        retry: the pauses between repeats.
        transport: replaces the network, for tests.
        sleep: waits; for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        tokens: TokenSource,
        retry: RetryPolicy,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._tokens = tokens
        self._retry = retry
        self._sleep = sleep
        self._http = httpx.AsyncClient(
            base_url=url, timeout=_TIMEOUT, transport=transport, headers={"User-Agent": USER_AGENT}
        )

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._http.aclose()

    def address(self, path: str, query: Mapping[str, str]) -> str:
        """The whole address of a path of the server, for browsers."""
        return str(self._http.build_request("GET", path, params=query).url)

    async def call(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        json: Mapping[str, Any] | None = None,
        query: Mapping[str, Scalar] | None = None,
        login: bool = True,
        repeatable: bool = False,
        once: bool = False,
    ) -> T:
        """Do one call and decode its `data` as `answer`.

        Args:
            json: the body.
            query: parameters; None is left out.
            login: send the access token.
            repeatable: the body itself makes a repeat harmless (client_message_id). GETs always are.
            once: make a POST repeatable with a new Idempotency-Key.

        Raises:
            ApiFailure: the server refused.
            ConnectionLost: no answer, and no repeat was possible or the repeats are used up.
            ProtocolError: the answer is not an envelope, or its data is not an `answer`.
            NotLoggedIn: `login` without tokens.
        """
        headers = {"X-Request-ID": new_id()}
        if once:
            headers["Idempotency-Key"] = new_id()
        safe = repeatable or once or method == "GET"
        content = None
        if json is not None:
            headers["Content-Type"] = "application/json"
            content = msgspec.json.encode(json)
        params = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        refreshed = False
        attempt = 0
        while True:
            token = self._tokens.access_token if login else None
            if token is not None:
                headers["Authorization"] = f"Bearer {token}"
            try:
                data = await self._exchange(method, path, params=params, headers=headers, content=content)
                return decode(data, answer)
            except TokenExpired:
                if token is None or refreshed:
                    raise
                refreshed = True
                await self._tokens.renew(token)
                continue
            except (ApiFailure, ConnectionLost) as error:
                pause = self._retry.wait(error, attempt, repeatable=safe)
                if pause is None:
                    raise
            attempt += 1
            await self._sleep(pause)

    async def page(
        self,
        path: str,
        key: str,
        item: type[T],
        *,
        cursor: str | None = None,
        limit: int | None = None,
        query: Mapping[str, Scalar] | None = None,
    ) -> Page[T]:
        """GET a list whose items stand under `key`."""
        everything = {"cursor": cursor, "limit": limit, **(query or {})}
        data = await self.call("GET", path, Json, query=everything)
        return Page(
            items=part(data, key, list[item]),  # type: ignore[valid-type]
            next_cursor=part(data, "next_cursor", str | None),  # type: ignore[arg-type]
            has_more=part(data, "has_more", bool),
        )

    async def _exchange(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> msgspec.Raw:
        try:
            response = await self._http.request(method, path, params=params, headers=headers, content=content)
        except _NEVER_SENT as error:
            raise ConnectionLost(f"cannot reach the server: {_reason(error)}", sent=False) from error
        except httpx.TransportError as error:
            raise ConnectionLost(f"no answer to {method} {path}: {_reason(error)}") from error
        if response.status_code >= 400:
            raise parse_failure(response.status_code, response.headers, response.content)
        try:
            return _envelopes.decode(response.content).data
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProtocolError(f"{method} {path}: the answer is no envelope: {error}") from error


def decode(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    """JSON as a `kind`.

    Raises:
        ProtocolError: it is something else.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"the server's answer is not understood: {error}") from error


def part(data: Mapping[str, msgspec.Raw], key: str, kind: type[T]) -> T:
    """One field of an object whose fields are still text.

    Raises:
        ProtocolError: it is missing or of another type.
    """
    if key not in data:
        raise ProtocolError(f"the answer has no field {key!r}")
    return decode(data[key], kind)


def parse_failure(status: int, headers: Mapping[str, str], body: bytes) -> ApiFailure | ProtocolError:
    """The exception for a refusal, of a request or of a socket upgrade.

    502, 503 and 504 without an envelope come from a proxy in front and are told like the server's own.
    """
    after = headers.get("Retry-After", "")
    retry_after = float(after) if after.isascii() and after.isdigit() else None
    try:
        envelope = _envelopes.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        envelope = None
    if envelope is None or envelope.error is None:
        code = _PROXY_CODES.get(status)
        if code is None:
            return ProtocolError(f"status {status} without an error envelope")
        return failure(
            code, "a proxy in front of the server gave this answer", status=status, retry_after=retry_after
        )
    fault = envelope.error
    return failure(
        fault.code,
        fault.message,
        status=status,
        details=fault.details,
        request_id=envelope.meta.request_id,
        retry_after=retry_after,
    )


def _text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
