"""The circuit breaker: whoever does not answer is left alone for a while and asked again now and then.

Closed, calls go through, and `failures` bad ones in a row open it. Open, calls are refused at once. After
`reset` seconds one call at a time may try (half-open); `successes` good ones in a row close it, a bad one
opens it again.
An adapter with a `watch` has no caller try: its probe does.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, Literal, Protocol

import msgspec

from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock

__all__ = ["Breaker", "BreakerMetrics", "BreakerOpen", "BreakerRules", "State"]

log = get_logger()

State = Literal["closed", "half-open", "open"]
_NUMBERS: Final[dict[State, int]] = {"closed": 0, "half-open": 1, "open": 2}


class BreakerRules(msgspec.Struct, frozen=True):
    """When it opens and closes: bad calls in a row, seconds between trials, good trials in a row."""

    failures: int = 5
    reset: float = 2.0
    successes: int = 2


class BreakerMetrics(Protocol):
    """Shows how dependencies stand."""

    def breaker(self, dependency: str, state: int) -> None:
        """0 closed, 1 half-open, 2 open."""

    def dependency(self, name: str, *, up: bool) -> None:
        """Whether the dependency answers."""


class BreakerOpen(Exception):
    """Refused without asking the dependency. `retry_after`: seconds until it may be tried again."""

    def __init__(self, dependency: str, retry_after: float) -> None:
        self.dependency = dependency
        self.retry_after = retry_after
        super().__init__(f"{dependency} is not asked while it does not answer")


class Breaker:
    """One per dependency and process. All calls on the event loop.

    Entering the open state is one warning in the log, leaving it one line with the duration, however many
    calls failed in between; metrics follow each change.
    """

    def __init__(self, dependency: str, rules: BreakerRules, metrics: BreakerMetrics, clock: Clock) -> None:
        self.dependency = dependency
        self._rules = rules
        self._metrics = metrics
        self._clock = clock
        self._state: State = "closed"
        self._bad = self._good = 0
        self._down_since = self._tried_at = 0.0
        self._trying = False
        self._watched = False
        self._down = asyncio.Event()
        self._listeners: list[Callable[[bool], None]] = []
        metrics.breaker(dependency, 0)

    @property
    def state(self) -> State:
        """`open` also while it is time for a trial that nobody made."""
        return self._state

    @property
    def closed(self) -> bool:
        """True while calls go through."""
        return self._state == "closed"

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """Call `listener(True)` when the dependency is taken for down, `listener(False)` when it is back."""
        self._listeners.append(listener)

    def admit(self) -> None:
        """Leave to call; must be followed by one of `succeeded`, `failed`, `unknown`.

        Raises:
            BreakerOpen: not now.
        """
        if self._state == "closed":
            return
        wait = self._tried_at + self._rules.reset - self._clock.monotonic()
        if self._watched or self._trying or wait > 0:
            raise BreakerOpen(self.dependency, max(wait, 0.1))
        self._trying = True
        self._enter("half-open")

    @contextlib.contextmanager
    def attempt(self, counts: Callable[[Exception], bool]) -> Iterator[None]:
        """One call: `counts` tells errors that say the dependency is ill from answers of a healthy one."""
        self.admit()
        try:
            yield
        except Exception as error:
            if counts(error):
                self.failed(type(error).__name__)
            else:
                self.succeeded()
            raise
        except BaseException:
            self.unknown()
            raise
        else:
            self.succeeded()

    def succeeded(self) -> None:
        """The dependency answered."""
        self._bad = 0
        if self._state == "closed":
            return
        self._trying = False
        self._good += 1
        if self._good < self._rules.successes:
            self._tried_at = self._clock.monotonic() - self._rules.reset  # the next may try at once
            return
        self._enter("closed")
        self._metrics.dependency(self.dependency, up=True)
        duration = round(self._clock.monotonic() - self._down_since, 3)
        log.info("dependency is back", dependency=self.dependency, duration_s=duration)
        self._down.clear()
        self._tell(down=False)

    def failed(self, reason: str) -> None:
        """The dependency did not answer, or with a failure of its own; `reason` is for the log."""
        self._bad += 1
        if self._state != "closed":
            self._trying, self._good = False, 0
            self._tried_at = self._clock.monotonic()
            self._enter("open")
        elif self._bad >= self._rules.failures:
            self.trip(reason)

    def unknown(self) -> None:
        """The call was given up before its outcome was known."""
        self._trying = False

    def trip(self, reason: str) -> None:
        """Open at once: there is proof that the dependency is away."""
        self._good = 0
        self._tried_at = self._clock.monotonic()
        if self._state != "closed":
            self._trying = False
            self._enter("open")
            return
        self._down_since = self._tried_at
        self._enter("open")
        self._metrics.dependency(self.dependency, up=False)
        log.warning("dependency is down", dependency=self.dependency, reason=reason)
        self._down.set()
        self._tell(down=True)

    async def watch(self, probe: Callable[[], Awaitable[object]]) -> None:
        """Run until cancelled: while it is open, ask `probe` every `reset` seconds; raising means failing.

        Callers are refused until the probe closes it.
        """
        self._watched = True
        while True:
            await self._down.wait()
            await asyncio.sleep(self._rules.reset if self._good == 0 else 0)
            if self.closed:
                continue
            self._enter("half-open")
            try:
                await probe()
            except Exception as error:  # noqa: BLE001 - whatever it is, the dependency does not serve
                self.failed(type(error).__name__)
            else:
                self.succeeded()

    def _enter(self, state: State) -> None:
        if state == "closed":
            self._bad = self._good = 0
        if state != self._state:
            self._state = state
            self._metrics.breaker(self.dependency, _NUMBERS[state])

    def _tell(self, *, down: bool) -> None:
        for listener in self._listeners:
            try:
                listener(down)
            except Exception:
                log.exception("breaker listener failed", dependency=self.dependency)
