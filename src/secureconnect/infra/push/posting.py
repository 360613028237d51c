"""HTTP to servers that anybody may name: to checked addresses, and with bounded answers."""

import ssl
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpcore

from secureconnect.infra.push.base import PushDelayed, PushRefused
from secureconnect.infra.push.destinations import AddressRefused, Destinations

__all__ = ["CheckedNetwork", "Poster"]

_STEP = 8.0  # seconds for each step of a request
_CONNECTIONS = 64
_ANSWER_BYTES = 4096


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to the very address that was looked at, so that a name cannot change its mind in between.
    TLS still checks the certificate of the name."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await self._destinations.addresses(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("no such host") from error
        for address in addresses[:-1]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._network.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)


class Poster:
    """Posts, and keeps lines for the next time. Redirects are not followed.

    Args:
        tls: checks certificates; the system's authorities by default.
    """

    def __init__(self, destinations: Destinations, tls: ssl.SSLContext | None = None) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or ssl.create_default_context(),
            max_connections=_CONNECTIONS,
            max_keepalive_connections=_CONNECTIONS // 2,
            keepalive_expiry=60,
            network_backend=CheckedNetwork(destinations),
        )

    async def post(
        self, url: str, headers: Sequence[tuple[bytes, bytes]], body: bytes
    ) -> tuple[int, str | None]:
        """Status and `Retry-After` of the answer.

        Raises:
            PushRefused: nothing is ever posted there. PushDelayed: no answer.
        """
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), _STEP)
        try:
            async with self._pool.stream(
                "POST", url, headers=headers, content=body, extensions={"timeout": timeouts}
            ) as answer:
                size = 0
                async for chunk in answer.aiter_stream():  # to the end where that is near: the line is kept
                    size += len(chunk)
                    if size > _ANSWER_BYTES:
                        break
                found = {name.lower(): value for name, value in answer.headers}
                return answer.status, found.get(b"retry-after", b"").decode("latin-1") or None
        except AddressRefused as error:
            raise PushRefused("the endpoint leads to an address that is not public") from error
        except (httpcore.UnsupportedProtocol, httpcore.LocalProtocolError, ValueError) as error:
            raise PushRefused("the endpoint is not a URL that can be posted to") from error
        except (
            httpcore.NetworkError,
            httpcore.TimeoutException,
            httpcore.ProtocolError,
            ssl.SSLError,
            OSError,
        ) as error:
            reason = f"the push service does not answer: {type(error).__name__}"
            raise PushDelayed(reason, host=urlsplit(url).netloc) from error

    async def close(self) -> None:
        """End the lines."""
        await self._pool.aclose()
