"""One lane per kind of job: takes what is due, runs it, and says what became of it."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.outbox import tables
from secureconnect.infra.outbox.base import Ending, GaveUp, Gone, Handler, Kind, LeaseLost, RetryLater, Work
from secureconnect.infra.telemetry import tracing
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError

__all__ = ["Lane", "LaneRules", "backoff"]

log = get_logger()

_LONGEST = 300.0
_LEASE_MARGIN = 30.0
_TROUBLE = 1.0  # seconds until the store is asked again after it failed
_EXPIRED: Final = "not done in time"


def backoff(attempt: int, chance: float) -> float:
    """Seconds to wait after this attempt: 1, 2, 4 … 300, give or take a tenth; `chance` lies in 0…1."""
    return min(_LONGEST, float(2 ** min(attempt - 1, 16))) * (0.9 + 0.2 * chance)


class LaneRules(msgspec.Struct, frozen=True):
    """How the jobs of one kind are done; times in seconds."""

    kind: Kind
    handler: Handler
    at_once: int
    timeout: float
    gave_up: GaveUp | None


class Lane:
    """Does the jobs of one kind, at most `at_once` at a time, the longest due first.

    Args:
        poll: seconds after which it looks although nobody woke it.
        chance: random numbers in 0…1, for jitter.
        marked: called after each attempt.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        rules: LaneRules,
        *,
        poll: float,
        chance: Callable[[], float],
        marked: Callable[[], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules
        self._poll = poll
        self._chance = chance
        self._marked = marked
        self._woken = asyncio.Event()
        self._running: dict[asyncio.Task[None], Work] = {}
        self._loop: asyncio.Task[None] | None = None
        self._done: set[tuple[str, int]] = set()
        self._last_lease = 0
        self._stopping = False

    def start(self) -> None:
        """Begin."""
        self._loop = asyncio.create_task(self._serve(), name=f"outbox {self._rules.kind}")

    async def stop(self, grace: float) -> None:
        """Take no more, let running attempts end within `grace` seconds, give the others back."""
        self._stopping = True
        self._woken.set()
        if self._loop is not None:
            # Not cancelled at once: it may be taking jobs, which nobody would run.
            await asyncio.wait([self._loop], timeout=grace)
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        left = dict(self._running)
        for attempt in left:
            attempt.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        unfinished = [work for work in left.values() if (work.job_id, work.lease) not in self._done]

        def give_back(tx: WriteTx) -> None:
            for work in unfinished:
                tables.release(tx, work, self._clock.now())

        if unfinished:
            await self._write(give_back)

    def wake(self) -> None:
        """Look now."""
        self._woken.set()

    def finished(self, work: Work) -> None:
        """The handler removed the job itself, durably."""
        self._done.add((work.job_id, work.lease))

    async def _serve(self) -> None:
        while not self._stopping:
            self._woken.clear()
            try:
                pause = await self._take()
            except ApiError as error:  # the store says in its own lines what is wrong with it
                log.debug("outbox waits for the database", job_kind=self._rules.kind, reason=error.message)
                pause = _TROUBLE
            except Exception:
                log.exception("outbox failed", job_kind=self._rules.kind)
                pause = _TROUBLE
            if pause > 0 and not self._stopping:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._woken.wait()

    async def _take(self) -> float:
        """Start what is due, as far as there is room; returns the seconds until there may be more to do."""
        room = self._rules.at_once - len(self._running)
        if room == 0:
            return self._poll  # the next to end wakes the lane
        kind, limit = self._rules.kind, room + 1
        rows = await self._database.lookup(lambda conn: tables.waiting(conn, kind, limit))
        now = self._clock.now()
        due = [row.job_id for row in rows[:room] if row.next_at <= now]
        if due:
            lease = self._lease(now)
            for work in await self._write(lambda tx: tables.claim(tx, due, now, lease)):
                attempt = asyncio.create_task(self._attempt(work), name=f"outbox {kind} {work.job_id}")
                self._running[attempt] = work
                attempt.add_done_callback(self._ended)
            return 0
        return min(self._poll, max(0.001, (rows[0].next_at - now) / 1000)) if rows else self._poll

    def _lease(self, now: int) -> int:
        """The end of a lease (ms), different from every earlier one: marks name the lease they belong to."""
        until = now + int((self._rules.timeout + _LEASE_MARGIN) * 1000)
        self._last_lease = until = max(until, self._last_lease + 1)
        return until

    def _ended(self, attempt: asyncio.Task[None]) -> None:
        work = self._running.pop(attempt)
        self._done.discard((work.job_id, work.lease))
        self._woken.set()
        self._marked()
        if not attempt.cancelled() and (error := attempt.exception()) is not None:
            log.error("outbox could not mark a job", job_kind=work.kind, job_id=work.job_id, exc_info=error)

    async def _attempt(self, work: Work) -> None:
        """Run the handler once and mark the job. While the store is away the mark is tried again: as long
        as the lease lasts nobody else takes the job.
        """
        origin = tracing.parse_traceparent(work.origin)
        with tracing.span(tracing.start(f"outbox {work.kind}", "consumer", link=origin)):
            mark = await self._outcome(work)
        while (work.job_id, work.lease) not in self._done:
            try:
                await self._write(mark)
            except ApiError:
                await asyncio.sleep(_TROUBLE)
            else:
                return

    async def _outcome(self, work: Work) -> Callable[[WriteTx], None]:
        if self._clock.now() >= work.expires_at:
            return self._failing(work, "expired", _EXPIRED)
        try:
            async with asyncio.timeout(self._rules.timeout):
                await self._rules.handler(work)
        except Gone as error:
            return self._failing(work, "failed", error.reason)
        except RetryLater as error:
            return self._retrying(work, error.reason, error.after)
        except LeaseLost:
            return self._finishing(work)  # which finds that it is somebody else's
        except TimeoutError:
            return self._retrying(work, "no answer in time", None)
        except ApiError as error:
            return self._retrying(work, error.code.name, error.retry_after)
        except Exception as error:
            if work.attempt == 1:
                log.exception("job raised", job_kind=work.kind, job_id=work.job_id)
            return self._retrying(work, type(error).__name__, None)
        return self._finishing(work)

    def _finishing(self, work: Work) -> Callable[[WriteTx], None]:
        def mark(tx: WriteTx) -> None:
            if not tables.finish(tx, work):
                self._again(tx, work)

        return mark

    def _retrying(self, work: Work, reason: str, after: float | None) -> Callable[[WriteTx], None]:
        seconds = backoff(work.attempt, self._chance()) if after is None else after
        next_at = self._clock.now() + int(seconds * 1000)
        if next_at >= work.expires_at:
            return self._failing(work, "expired", reason)
        told = {"job_kind": work.kind, "job_id": work.job_id, "attempt": work.attempt, "reason": reason}
        if work.attempt == 1:
            log.warning("job postponed", next_in_s=round(seconds, 1), **told)
        else:  # said once; the queues and the age of the oldest job say that it goes on
            log.debug("job postponed", next_in_s=round(seconds, 1), **told)

        def mark(tx: WriteTx) -> None:
            if not tables.postpone(tx, work, next_at, reason):
                self._again(tx, work)

        return mark

    def _failing(self, work: Work, ending: Ending, reason: str) -> Callable[[WriteTx], None]:
        def tell() -> None:
            log.error(
                "job given up",
                job_kind=work.kind,
                job_id=work.job_id,
                attempts=work.attempt,
                ending=ending,
                reason=reason,
            )

        def mark(tx: WriteTx) -> None:
            if not tables.fail(tx, work, self._clock.now(), reason):
                self._again(tx, work)
                return
            if self._rules.gave_up is not None:
                self._rules.gave_up(tx, work, ending, reason)
            tx.after_commit(tell)

        return mark

    def _again(self, tx: WriteTx, work: Work) -> None:
        if tables.run_again(tx, work, self._clock.now()):
            tx.after_commit(self.wake)

    def _write(self, work: Callable[[WriteTx], Any]) -> Coroutine[Any, Any, Any]:
        return self._database.write(work, brief=True)
