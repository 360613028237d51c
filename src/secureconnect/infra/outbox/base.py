"""The Outbox port: work that follows from a commit and must survive a crash (docs/reference/rules.md §11).

A job is written in the transaction of its cause, so that it exists exactly when the cause does, and is
removed when its handler has done it. **At least once:** a process that dies between the work and the mark
leads to a second run after the restart. A handler whose work lies in the Database alone makes that exactly
once with `finish_in`; one that talks to the world gives every attempt the same identity (`Work.job_id`), by
which the receiver can tell a repeat.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, Protocol, TypeVar, get_args

import msgspec

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import Statement

__all__ = [
    "KINDS",
    "Ending",
    "GaveUp",
    "Gone",
    "Handler",
    "Job",
    "Kind",
    "LeaseLost",
    "Outbox",
    "Queue",
    "RetryLater",
    "Work",
]

T = TypeVar("T")

Kind = Literal[
    "push", "mail", "index", "thumbnail", "erase", "export", "notify", "delete_objects", "call_events"
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


class RetryLater(Exception):
    """Raised by a handler: not now. `after` seconds, or the usual back-off when None.

    `reason` is kept for the operator: no addresses, no secrets.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        self.reason = reason
        self.after = after
        super().__init__(reason)


class Gone(Exception):
    """Raised by a handler: it can never succeed. `reason` is kept for the operator."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class LeaseLost(Exception):
    """Somebody else has this job by now; the transaction that wanted to finish it must not go on."""


class Job(msgspec.Struct, frozen=True):
    """Something to do.

    Args:
        payload: what `msgspec.json` encodes as an object. It is stored as it is: secrets come sealed.
        dedup_key: at most one job per key waits. Another one gives the waiting job its payload; while that
            is running, it is run once more afterwards.
        delay: seconds until it is due.
        max_age: seconds from then until it is given up.
    """

    kind: Kind
    payload: Any
    dedup_key: str | None = None
    delay: float = 0
    max_age: float = 86_400


class Work(msgspec.Struct, frozen=True):
    """A job in the hands of its handler. `attempt` counts from 1; times in milliseconds since the epoch.
    `origin` is the `traceparent` of the request that put it there, if that was traced."""

    job_id: str
    kind: Kind
    payload: bytes
    attempt: int
    due_at: int
    expires_at: int
    lease: int
    origin: str | None = None

    def decode(self, type_: type[T]) -> T:
        """The payload as a `type_`."""
        return msgspec.json.decode(self.payload, type=type_)


class Queue(msgspec.Struct, frozen=True):
    """How one kind stands. `oldest_age` is how many seconds ago the first waiting job was due, or 0."""

    kind: Kind
    pending: int
    oldest_age: float
    failed: int


#: Does one job. Returning means done; RetryLater and Gone say otherwise; anything else that it raises, and
#: running out of time, is tried again after 1, 2, 4 … 300 s.
Handler = Callable[[Work], Awaitable[None]]
#: How a job ended that was not done: its handler said so, or its time was over.
Ending = Literal["failed", "expired"]
#: Called in the transaction that gives a job up, with the reason.
GaveUp = Callable[[WriteTx, Work, Ending, str], None]


class Outbox(Protocol):
    """Durable jobs."""

    def handle(
        self,
        kind: Kind,
        handler: Handler,
        *,
        at_once: int = 4,
        timeout: float = 30,
        gave_up: GaveUp | None = None,
    ) -> None:
        """Let `handler` do the jobs of `kind` in this process; called before the outbox starts.

        Args:
            at_once: how many run at the same time.
            timeout: seconds that one attempt may take; it is cancelled then.
        """

    def enqueue_in(self, tx: WriteTx, job: Job) -> str:
        """Write the job in the transaction of its cause; it starts right after the commit. Returns its id."""

    def riding(self, job: Job) -> Statement:
        """The job as a statement for the `also` of a timeline append; its payload gets the field `seq`.

        It has no key. Whoever sees the event committed calls `wake`.
        """

    def wake(self, kind: Kind) -> None:
        """Look for due jobs of `kind` now."""

    async def hurry(self, kind: Kind) -> int:
        """Try jobs of `kind` again now that wait for another attempt: what was in their way is gone. Returns
        how many. Twice in half a minute it does nothing: who comes and goes is not stormed.
        """

    def finish_in(self, tx: WriteTx, work: Work) -> None:
        """Remove the job in the transaction of its effect: exactly once.

        Raises:
            LeaseLost: another process took it over.
        """

    async def discard(self, kind: Kind, unwanted: Callable[[bytes], bool]) -> int:
        """Remove jobs of `kind` whose payload is `unwanted`, be they waiting or running; returns how many.
        An attempt that runs is not stopped."""

    async def queues(self) -> list[Queue]:
        """How every kind stands, in the order of `KINDS`."""
