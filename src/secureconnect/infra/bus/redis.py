"""The bus over Redis or Valkey: sharded publish and subscribe where the server has it, plain elsewhere.

Hints for this process take the embedded bus, at once, whatever Redis does. Those of one tick leave in one
write. What Redis cannot take is dropped, and once it takes messages again the others are told that some were
lost.
"""

import asyncio
import contextlib
from collections import deque
from functools import partial
from typing import Any, Final, Protocol

from secureconnect.infra.bus.base import Distress, Doubt, Handler, Unsubscribe
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.infra.bus.wire import HINTS, Encoder, read
from secureconnect.infra.redis.line import Line, Refused
from secureconnect.infra.redis.link import Down, RedisLink
from secureconnect.infra.telemetry import tracing
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError
from secureconnect.kit.hints import CONTROL, Hint

__all__ = ["BusMetrics", "RedisBus"]

log = get_logger()

_PREFIX: Final = b"sc:"
_BEAT = 0.5  # seconds between pings of the subscriptions
_PATIENCE = 1.0  # seconds that an answer may take before what is missing is read from the store
_AGAIN = 1.0  # seconds between two doubts of one trouble
_MOST_BYTES, _MOST_MESSAGES = 8 * 1024 * 1024, 20_000  # that Redis has not taken
_AT_ONCE = 500  # channels in one command


class BusMetrics(Protocol):
    """Counts messages."""

    def bus_published(self, result: str, count: int) -> None:
        """Messages to other processes: ok, failed, or dropped because Redis takes none."""


class RedisBus:
    """A bus for several processes. `start` before use."""

    def __init__(
        self, link: RedisLink, metrics: BusMetrics, clock: Clock, *, distress: Distress | None = None
    ) -> None:
        self._link = link
        self._metrics = metrics
        self._clock = clock
        self._distress = distress
        self._local = MemoryBus()
        self._encoder = Encoder()
        self._followed: dict[str, int] = {}
        self._out: dict[str, list[bytes]] = {}
        self._last: tuple[Hint | None, bytes] = None, b""
        self._listeners: tuple[Line, ...] = ()
        self._unconfirmed: dict[bytes, deque[asyncio.Future[None]]] = {}
        self._sharded = True
        self._ready = False
        self._stale = False
        self._lost = False
        self._heard_at = 0.0
        self._doubts: list[Doubt] = []
        self._in_doubt = False
        self._told_at = 0.0
        self._missed = False
        self._closed = False
        self._building: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect if that is possible now; if not, as soon as it is."""
        self._link.on_change(self._link_changed)
        self._heard_at = self._clock.monotonic()
        if self._link.up:
            await self._build()
        self._task = asyncio.create_task(self._watch(), name="bus")

    @property
    def ready(self) -> bool:
        """True while hints travel."""
        return self._ready

    @property
    def embedded(self) -> bool:
        return False

    def publish(self, channel: str, hint: Hint) -> None:
        if self._closed:
            return
        self._local.publish(channel, hint)
        if not self._ready:
            self._drop(1)
            return
        if tracing.enabled():  # a moment: it leaves with what others publish
            tracing.record("bus.publish", "producer", 0.0, {"messaging.system": "redis"})
        last, packed = self._last
        if hint is not last:  # the same hint often goes to several channels
            packed = self._encoder.hint(hint)
            self._last = hint, packed
        waiting = self._out.get(channel)
        if waiting is not None:
            waiting.append(packed)
            return
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out[channel] = [packed]

    def listened(self, channel: str) -> bool:  # noqa: ARG002 - who knows what others subscribed to
        return True

    async def subscribe(self, channel: str, handler: Handler) -> Unsubscribe:
        leave = await self._local.subscribe(channel, handler)
        first = channel not in self._followed
        self._followed[channel] = self._followed.get(channel, 0) + 1
        live = True

        def unsubscribe() -> None:
            nonlocal live
            if live:
                live = False
                leave()
                self._unfollow(channel)

        name = _PREFIX + channel.encode()
        if self._listeners and first:
            self._tell(name, "SUBSCRIBE")
        # Who comes second waits for the answer to the first one.
        if confirmed := self._unconfirmed.get(name):
            try:
                with contextlib.suppress(TimeoutError):  # then there is doubt, and the store is read
                    async with asyncio.timeout(self._link.timeout):
                        await asyncio.shield(confirmed[-1])
            except BaseException:
                unsubscribe()
                raise
        return unsubscribe

    def on_doubt(self, doubt: Doubt) -> None:
        self._doubts.append(doubt)

    async def close(self) -> None:
        self._closed = True
        tasks = [task for task in (self._task, self._building) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._doubts.clear()
        self._disconnect()
        await self._local.close()

    # Sending

    def _drop(self, count: int) -> None:
        self._lost = True
        self._metrics.bus_published("dropped", count)

    def _flush(self) -> None:
        out, self._out = self._out, {}
        command = "SPUBLISH" if self._sharded else "PUBLISH"
        for channel, hints in out.items():
            name = _PREFIX + channel.encode()
            try:
                line = self._link.line(name)
            except Down:
                self._drop(len(hints))
                continue
            if line.unsent > _MOST_BYTES or line.unanswered > _MOST_MESSAGES:
                self._drop(len(hints))
                continue
            line.post(partial(self._sent, len(hints)), command, name, self._encoder.message(hints))

    def _sent(self, count: int, error: Exception | None) -> None:
        if error is None:
            self._metrics.bus_published("ok", count)
            return
        self._lost = True
        self._metrics.bus_published("failed", count)
        if isinstance(error, Refused):
            self._link.ill(error)

    # Receiving

    def _received(self, answer: Any) -> None:
        if isinstance(answer, Refused):
            log.warning("the bus was refused a subscription", code=answer.code)
            self._link.ill(answer)
            self._rebuild()
            return
        self._heard_at = self._clock.monotonic()
        kind = answer[0]
        if kind in (b"smessage", b"message"):
            self._message(answer[1], answer[2])
        elif kind in (b"ssubscribe", b"subscribe"):
            waiting = self._unconfirmed.get(answer[1])
            if waiting:
                confirmed = waiting.popleft()
                if not confirmed.done():
                    confirmed.set_result(None)
                if not waiting:
                    del self._unconfirmed[answer[1]]
        elif kind == b"sunsubscribe" and answer[1].removeprefix(_PREFIX).decode() in self._followed:
            # Not asked for: the cluster gave the slot to another node.
            self._link.ill(Refused("MOVED"))

    def _message(self, name: bytes, payload: bytes) -> None:
        found = read(payload, self._encoder.process)
        if found is None:
            return
        kind, hints = found
        if kind == HINTS:
            channel = name.removeprefix(_PREFIX).decode()
            for hint in hints:
                self._local.publish(channel, hint)
        else:
            self._missed = True

    # Subscriptions

    def _unfollow(self, channel: str) -> None:
        left = self._followed[channel] - 1
        if left:
            self._followed[channel] = left
            return
        del self._followed[channel]
        if self._listeners:
            name = _PREFIX + channel.encode()
            self._listener(name).tell(self._word("UNSUBSCRIBE"), name)

    def _listener(self, name: bytes) -> Line:
        return self._listeners[self._link.topology.owner(name)]

    def _word(self, command: str) -> str:
        return f"S{command}" if self._sharded else command

    def _tell(self, name: bytes, command: str) -> None:
        self._expect(name)
        self._listener(name).tell(self._word(command), name)

    def _expect(self, name: bytes) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unconfirmed.setdefault(name, deque()).append(future)
        return future

    async def _build(self) -> None:
        """Subscribe to everything on connections of our own; then hints travel."""
        try:
            async with asyncio.timeout(2 * self._link.timeout):
                probe = await self._link.call(_PREFIX, "COMMAND", "INFO", "SPUBLISH")
                self._sharded = bool(probe and probe[0])
                self._listeners = tuple(
                    [
                        await self._link.listener(index, self._received, self._broken)
                        for index in range(len(self._link.topology.nodes))
                    ]
                )
                await self._subscribe_all()
        except (Down, OSError, TimeoutError, Refused) as error:
            self._disconnect()
            self._link.breaker.trip(f"subscriptions: {type(error).__name__}")
            return
        if self._link.up and not self._stale:
            self._heard_at = self._clock.monotonic()
            self._ready = True

    async def _subscribe_all(self) -> None:
        """What is subscribed meanwhile is told to the same connections, behind this."""
        batches: dict[tuple[int, int], list[bytes]] = {}
        waiting: list[asyncio.Future[None]] = []
        single = self._link.topology.owners is None
        for number, channel in enumerate(self._followed):
            name = _PREFIX + channel.encode()
            waiting.append(self._expect(name))
            # In a cluster one command takes channels of one slot only.
            batch = number // _AT_ONCE if single else number
            batches.setdefault((self._link.topology.owner(name), batch), []).append(name)
        for (index, _), names in batches.items():
            self._listeners[index].tell(self._word("SUBSCRIBE"), *names)
        if waiting:
            await asyncio.gather(*waiting)

    def _disconnect(self) -> None:
        self._missed |= self._ready
        self._ready = False
        self._listeners = ()
        self._link.drop_listeners()
        unconfirmed, self._unconfirmed = self._unconfirmed, {}
        for waiting in unconfirmed.values():
            for future in waiting:
                if not future.done():
                    future.set_result(None)  # nobody waits for a bus that is away

    def _link_changed(self, up: bool) -> None:
        self._disconnect()
        if up:
            self._rebuild()

    def _broken(self, line: Line) -> None:
        if line in self._listeners:
            self._rebuild()

    def _rebuild(self) -> None:
        if self._closed or not self._link.up:
            return
        self._disconnect()
        self._stale = True
        if self._building is None or self._building.done():
            self._building = asyncio.get_running_loop().create_task(self._build_anew(), name="bus build")

    async def _build_anew(self) -> None:
        while self._stale and self._link.up:
            self._stale = False
            await self._build()

    # Doubt

    async def _watch(self) -> None:
        """Notice what hints do not, and tell those who built on them."""
        while True:
            try:
                await self._look()
            except Exception:
                log.exception("the bus cannot watch itself")
            await asyncio.sleep(_BEAT)

    async def _look(self) -> None:
        for line in self._listeners:
            line.tell("PING")
        late = self._clock.monotonic() - self._heard_at > _PATIENCE
        trouble = late or not self._ready
        if self._lost and not trouble:
            self._say_that_hints_were_lost()
        self._judge(trouble=await self._ask_others(trouble=trouble) or trouble)

    async def _ask_others(self, *, trouble: bool) -> bool:
        if self._distress is None:
            return False
        try:
            async with asyncio.timeout(_PATIENCE):
                if trouble:
                    await self._distress.call()
                return await self._distress.heard()
        except (ApiError, TimeoutError):
            return False  # the store is away as well: there is nothing to catch up from

    def _say_that_hints_were_lost(self) -> None:
        name = _PREFIX + CONTROL.encode()
        try:
            line = self._link.line(name)
        except Down:
            return
        self._lost = False
        line.post(partial(self._sent, 1), self._word("PUBLISH"), name, self._encoder.lost)

    def _judge(self, *, trouble: bool) -> None:
        now = self._clock.monotonic()
        over = not trouble and (self._in_doubt or self._missed)
        if not over and (not trouble or now - self._told_at < _AGAIN):
            return
        self._in_doubt, self._missed, self._told_at = trouble, False, now
        for doubt in self._doubts:
            try:
                doubt(over)
            except Exception:
                log.exception("doubt failed")
