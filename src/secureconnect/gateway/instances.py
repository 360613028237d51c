"""The processes of one role: which of them gets a request, and how connections to it are kept."""

import asyncio
import hashlib
import ssl
from collections.abc import Callable, Sequence
from itertools import count
from typing import TypeVar
from urllib.parse import urlsplit

from secureconnect.gateway.upstream import Broken, Connection
from secureconnect.infra.resilience.breaker import Breaker

__all__ = ["Instance", "Role", "Target"]

P = TypeVar("P", bound=asyncio.Protocol)

#: A connection that rested this long may be closed by the other side any moment (which does so after 75 s).
_LONGEST_REST = 30.0
_MOST_RESTING = 256


class Target:
    """Where one process listens: `http://host:port` or `https://host:port`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.url = url
        self.host = parts.hostname or ""
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        self.port = parts.port or (443 if self.tls else 80)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Instance:
    """One process of a role.

    Args:
        name: the role, with a number when there are several; for logs and metrics.
        connect_timeout: seconds.
    """

    def __init__(self, name: str, target: Target, breaker: Breaker, *, connect_timeout: float) -> None:
        self.name = name
        self.target = target
        self.breaker = breaker
        #: What its `/readyz` said last: True ready, False not now; None before the first answer.
        self.ready: bool | None = None
        #: It answered the last probe, whatever it said.
        self.reachable = False
        self.latency_ms: float | None = None
        #: Requests that wait for its answer, and sockets through it.
        self.load = 0
        self._connect_timeout = connect_timeout
        self._resting: list[Connection] = []

    async def connection(self, *, fresh: bool = False) -> tuple[Connection, bool]:
        """A connection for one request, and whether it served one before. Raises Broken, untouched."""
        now = asyncio.get_running_loop().time()
        while self._resting and not fresh:
            connection = self._resting.pop()
            if connection.reusable and now - connection.idle_since < _LONGEST_REST:
                return connection, True
            connection.close()
        return await self.connect(), False

    async def connect(self) -> Connection:
        """A new connection. Raises Broken, untouched."""
        loop = asyncio.get_running_loop()
        return await self.open(lambda: Connection(loop))

    async def open(self, protocol: Callable[[], P]) -> P:
        """Connect `protocol`. Raises Broken, untouched."""
        loop, target = asyncio.get_running_loop(), self.target
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connected = await loop.create_connection(
                    protocol, target.host, target.port, ssl=target.tls
                )
        except (OSError, TimeoutError) as error:
            raise Broken(touched=False) from error
        return connected

    def give_back(self, connection: Connection) -> None:
        """Keep it for the next request, if it can serve one."""
        if connection.reusable and len(self._resting) < _MOST_RESTING:
            connection.idle_since = asyncio.get_running_loop().time()
            self._resting.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close what rests."""
        while self._resting:
            self._resting.pop().close()


class Role:
    """All instances of one role."""

    def __init__(self, name: str, instances: Sequence[Instance]) -> None:
        self.name = name
        self.instances = instances
        self._turn = count()

    def choose(self, *, call_id: str | None = None, without: Instance | None = None) -> Instance | None:
        """Who gets the next request; None when every circuit is open.

        The least loaded one that is ready, else one that is not. With `call_id` always the same of those, as
        long as it stays one of them.
        """
        closed = [one for one in self.instances if one.breaker.closed and one is not without]
        chosen = [one for one in closed if one.ready is not False] or closed
        if not chosen:
            return None
        if call_id is not None:
            return max(chosen, key=lambda one: _weight(call_id, one.target))
        if len(chosen) == 1:
            return chosen[0]
        turn = next(self._turn)
        shifted = (chosen[(turn + index) % len(chosen)] for index in range(len(chosen)))
        return min(shifted, key=lambda one: one.load)

    @property
    def reachable(self) -> bool:
        """One of them answered its last probe."""
        return any(one.reachable for one in self.instances)

    @property
    def latency_ms(self) -> float | None:
        """Of the quickest last probe."""
        return min((one.latency_ms for one in self.instances if one.latency_ms is not None), default=None)

    @property
    def ready(self) -> bool:
        """One of them is ready, and gets requests."""
        return any(one.ready and one.breaker.closed for one in self.instances)


def _weight(call_id: str, target: Target) -> bytes:
    """Rendezvous hashing: when an instance goes, only its own calls move."""
    return hashlib.blake2b(f"{call_id} {target}".encode(), digest_size=8).digest()
