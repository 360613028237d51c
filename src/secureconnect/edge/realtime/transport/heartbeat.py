"""Signs of life of all sockets with one timer (docs/reference/realtime.md §9)."""

import asyncio
import itertools
from typing import Protocol

from secureconnect.kit.clock import Clock

__all__ = ["Beating", "Heartbeat"]

# Pings of one interval are spread over so many turns, so that 10,000 pongs do not arrive at once.
_SLOTS = 25


class Beating(Protocol):
    """A socket with a heart. `seen` is the monotonic second of the last frame received, infinity while the
    server itself does not read."""

    seen: float

    def ping(self) -> None:
        """Ask the peer for a sign of life."""

    def expired(self) -> None:
        """No sign of life for `idle_timeout`."""


class Heartbeat:
    """Pings every socket once per `ping_interval` and tells those that are silent for `idle_timeout`.

    Both in seconds. Silence is noticed at most a 25th of the interval late. `start` needs a running event
    loop; tests call `beat` after they moved their clock.
    """

    __slots__ = (
        "_begun",
        "_fading",
        "_idle_timeout",
        "_interval",
        "_next",
        "_slots",
        "_step",
        "_timer",
        "_turn",
        "clock",
    )

    def __init__(self, *, clock: Clock, ping_interval: float = 25.0, idle_timeout: float = 60.0) -> None:
        self.clock = clock
        self._interval = ping_interval
        self._idle_timeout = idle_timeout
        self._step = ping_interval / _SLOTS
        self._begun = clock.monotonic()
        self._turn = 0
        self._slots: list[set[Beating]] = [set() for _ in range(_SLOTS)]
        self._next = itertools.cycle(self._slots)
        self._fading: set[Beating] = set()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Beat by the event loop's timer until `stop`."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._step, self._go_on)

    def stop(self) -> None:
        """Beat no more; sockets stay as they are."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def join(self, socket: Beating) -> set[Beating]:
        """Watch `socket`. The result is what `leave` wants back."""
        slot = next(self._next)
        slot.add(socket)
        return slot

    def leave(self, socket: Beating, slot: set[Beating]) -> None:
        """Watch it no more."""
        slot.discard(socket)
        self._fading.discard(socket)

    def beat(self) -> None:
        """Do everything that is due by now."""
        now = self.clock.monotonic()
        for socket in tuple(self._fading):
            self._look(socket, now)
        due = int((now - self._begun) / self._step)
        for turn in range(max(self._turn, due - _SLOTS), due):
            for socket in tuple(self._slots[turn % _SLOTS]):
                if self._look(socket, now):
                    socket.ping()
        self._turn = due

    def _look(self, socket: Beating, now: float) -> bool:
        """False when the socket was found dead."""
        silent = now - socket.seen
        if silent >= self._idle_timeout:
            self._fading.discard(socket)
            socket.expired()
            return False
        # Its time would be up before its next turn: look at every beat.
        if silent + self._interval > self._idle_timeout:
            self._fading.add(socket)
        else:
            self._fading.discard(socket)
        return True

    def _go_on(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._step, self._go_on)
        self.beat()
