"""Whether Redis is there, and the connections to it. One per process, for bus and cache together.

Down is: a connection was lost and could not be made again at once, a ping got no answer in time, or commands
failed in a row. While down nothing is sent; a probe every `redis.health_interval` brings it back.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from secureconnect.infra.redis.address import Address
from secureconnect.infra.redis.line import Line, LineLost, Refused, Word, open_line
from secureconnect.infra.redis.topology import Topology, discover
from secureconnect.infra.resilience.breaker import Breaker, BreakerMetrics, BreakerRules
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock

__all__ = ["Down", "RedisLink", "RedisMetrics"]

log = get_logger()

#: Answers that say: you are connected to the wrong server, or to one that does not serve now.
_WRONG_SERVER: Final = frozenset(
    {"READONLY", "MOVED", "ASK", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "NOAUTH", "TRYAGAIN"}
)


class Down(Exception):
    """Redis is not asked, or did not answer."""


class RedisMetrics(BreakerMetrics, Protocol):
    """Counts commands."""

    def redis_command(self, command: str, seconds: float) -> None:
        """One answered command; `command` is of a closed list."""

    def redis_failed(self, kind: str) -> None:
        """One that failed: connection, timeout or refused."""


class RedisLink:
    """The way to Redis.

    Args:
        timeout: seconds for a command, and for connecting.
        health_interval: seconds between pings.
    """

    def __init__(
        self,
        address: Address,
        *,
        timeout: float,
        health_interval: float,
        rules: BreakerRules,
        metrics: RedisMetrics,
        clock: Clock,
    ) -> None:
        self.breaker = Breaker("redis", rules, metrics, clock)
        self.timeout = timeout
        self.topology = Topology(())
        #: Why it is down, when it is.
        self.reason = ""
        self._address = address
        self._health_interval = health_interval
        self._metrics = metrics
        self._lines: tuple[Line, ...] = ()
        self._extra: set[Line] = set()
        self._up = False
        self._listeners: list[Callable[[bool], None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._renewing: asyncio.Task[None] | None = None

    # Life

    async def start(self) -> None:
        """Connect if that is possible now; if not, as soon as it is."""
        self.breaker.on_change(self._breaker_changed)
        self._tasks = [
            asyncio.create_task(self.breaker.watch(self._probe), name="redis probe"),
            asyncio.create_task(self._watch_health(), name="redis health"),
        ]
        await asyncio.sleep(0)  # the watch has begun
        await self._renew()

    async def close(self) -> None:
        """Let go of everything."""
        self._listeners.clear()
        tasks = [*self._tasks, *([self._renewing] if self._renewing is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._drop()
        self.drop_listeners()

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """Call `listener(True)` when connections were made, `listener(False)` when they must not be used."""
        self._listeners.append(listener)

    # Use

    @property
    def up(self) -> bool:
        """True while commands can be sent."""
        return self._up

    def connections(self) -> int:
        """How many are open."""
        return len(self._lines) + len(self._extra)

    def line(self, key: bytes) -> Line:
        """The connection to whoever takes `key`. Raises Down."""
        if not self._up:
            raise Down
        return self._lines[self.topology.owner(key)]

    async def call(self, key: bytes, *words: Word) -> Any:
        """The answer to a command about `key`.

        Raises:
            Down: no answer, or none that helps.
            Refused: the command was wrong.
        """
        return (await self.call_each([(key, words)]))[0]

    async def call_each(self, commands: Sequence[tuple[bytes, tuple[Word, ...]]]) -> list[Any]:
        """The answers to commands about keys, sent together. Raises Down, Refused."""
        return await self._ask([(self.line(key), words) for key, words in commands])

    async def listener(
        self, index: int, on_push: Callable[[Any], None], on_lost: Callable[[Line], None]
    ) -> Line:
        """A connection for subscriptions to the node `index`. Raises OSError, TimeoutError, Refused."""
        host, port = self.topology.nodes[index]

        def lost(line: Line) -> None:
            self._extra.discard(line)
            on_lost(line)

        line = await open_line(self._address, host, port, timeout=self.timeout, on_lost=lost)
        line.listen(on_push)
        self._extra.add(line)
        return line

    def drop_listeners(self) -> None:
        """Close all that `listener` gave."""
        for line in tuple(self._extra):
            line.close()
        self._extra.clear()

    async def ping(self) -> float:
        """Seconds until all nodes answered. Raises Down."""
        started = time.perf_counter()
        if not self._up:
            raise Down
        await self._ask([(line, ("PING",)) for line in self._lines])
        return time.perf_counter() - started

    async def policies(self) -> list[str]:
        """The eviction policy of each node. Raises Down, Refused."""
        if not self._up:
            raise Down
        answers = await self._ask([(line, ("CONFIG", "GET", "maxmemory-policy")) for line in self._lines])
        return [answer[1].decode() for answer in answers]

    def ill(self, error: Exception) -> None:
        """A command failed: make connections anew, or take Redis for down."""
        if isinstance(error, Refused):
            self._metrics.redis_failed("refused")
            if error.code in _WRONG_SERVER:
                self._begin_renewing()
        elif isinstance(error, TimeoutError):
            self._metrics.redis_failed("timeout")
            self.breaker.failed("timeout")
        else:
            self._metrics.redis_failed("connection")
            self._begin_renewing()

    # How it stands

    async def _ask(self, commands: Sequence[tuple[Line, tuple[Word, ...]]]) -> list[Any]:
        started = time.perf_counter()
        asked = [line.ask(*words) for line, words in commands]
        try:
            async with asyncio.timeout(self.timeout):
                answers = [await each for each in asked]
        except Refused as error:
            self.ill(error)
            if error.code in _WRONG_SERVER:
                raise Down from error
            raise
        except (LineLost, TimeoutError) as error:
            self.ill(error)
            raise Down from error
        took = time.perf_counter() - started
        for _, words in commands:
            self._metrics.redis_command(str(words[0]).lower(), took)
        if self.breaker.closed:
            self.breaker.succeeded()
        return answers

    async def _connect(self) -> None:
        """Find the servers and connect to them. Raises OSError, TimeoutError, Refused."""
        topology = await discover(self._address, self.timeout, self.topology.nodes)
        lines: list[Line] = []
        try:
            for host, port in topology.nodes:
                lines.append(
                    await open_line(self._address, host, port, timeout=self.timeout, on_lost=self._lost)
                )
            if self._address.mode == "sentinel":
                await _check_master(lines[0])
        except BaseException:
            for line in lines:
                line.close()
            raise
        self._drop()
        self.topology, self._lines = topology, tuple(lines)

    def _drop(self) -> None:
        self._set_up(False)
        lines, self._lines = self._lines, ()
        for line in lines:
            line.close()

    def _set_up(self, up: bool) -> None:
        if up == self._up:
            return
        self._up = up
        for listener in self._listeners:
            try:
                listener(up)
            except Exception:
                log.exception("redis listener failed")

    def _lost(self, line: Line) -> None:
        if line in self._lines:
            self._metrics.redis_failed("connection")
            self._begin_renewing()

    def _begin_renewing(self) -> None:
        if self.breaker.closed and (self._renewing is None or self._renewing.done()):
            self._drop()
            self._renewing = asyncio.get_running_loop().create_task(self._renew(), name="redis renew")

    async def _renew(self) -> None:
        """Connect again: a server that was only restarted, or a failover that is over, takes connections."""
        try:
            await self._connect()
        except (OSError, TimeoutError, Refused) as error:
            self._trip(error)
        else:
            if self.breaker.closed:
                self._set_up(True)

    def _trip(self, error: Exception) -> None:
        self.reason = _reason(error)
        self.breaker.trip(self.reason)

    async def _probe(self) -> None:
        """One trial of the breaker."""
        if not self._lines or any(line.lost for line in self._lines):
            await self._connect()
        async with asyncio.timeout(self.timeout):
            await asyncio.gather(*(line.ask("PING") for line in self._lines))

    async def _watch_health(self) -> None:
        while True:
            await asyncio.sleep(self._health_interval)
            if not self._up:
                continue
            lines = self._lines
            try:
                async with asyncio.timeout(self.timeout):
                    await asyncio.gather(*(line.ask("PING") for line in lines))
                    if self._address.mode != "single":
                        await self._follow_failovers()
            except (OSError, TimeoutError, Refused) as error:
                if lines is self._lines:
                    self._metrics.redis_failed("timeout" if isinstance(error, TimeoutError) else "connection")
                    self._trip(error)

    async def _follow_failovers(self) -> None:
        """A demoted master may keep its connections: ask those who know."""
        topology = await discover(self._address, self.timeout, self.topology.nodes)
        if topology != self.topology and self._up:
            self._begin_renewing()

    def _breaker_changed(self, down: bool) -> None:
        if down:
            self._drop()
        else:
            self._set_up(bool(self._lines))


async def _check_master(line: Line) -> None:
    """Sentinels may name a server that is no master yet."""
    if (await line.ask("ROLE"))[0] != b"master":
        raise LineLost("not a master")


def _reason(error: Exception) -> str:
    if isinstance(error, Refused):
        return error.code
    return "timeout" if isinstance(error, TimeoutError) else type(error).__name__
