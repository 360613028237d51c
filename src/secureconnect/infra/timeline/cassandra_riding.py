"""What rides along with sends, and the intents to store them, decided for many conversations at once.

A relational transaction costs far more than the few statements of one send in it. So what waits at one moment
shares one, as appends to a relational timeline do.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from sqlalchemy.exc import IntegrityError

from secureconnect.infra.database.base import BatchDatabase, BatchTx, WriteTx
from secureconnect.infra.timeline import cassandra_intents as intents
from secureconnect.infra.timeline.base import Statement
from secureconnect.infra.timeline.batches import Batches
from secureconnect.infra.timeline.cassandra_intents import Plan
from secureconnect.infra.timeline.cassandra_link import unavailable
from secureconnect.kit.clock import Clock

__all__ = ["Refused", "Ride", "Riding"]

#: How much of what the rest of a send takes may be spent on waiting for others.
_SHARE: Final = 1 / 16
_LONGEST: Final = 0.02  # seconds
_WEIGHT: Final = 1 / 8  # of the latest


class Ride(NamedTuple):
    """The sends of one conversation whose claim is held: how they will be stored, and what rides along with
    each of them, by its seq."""

    plan: Plan
    also: Sequence[tuple[int, Sequence[Statement]]]


class Refused(Exception):
    """A statement that rides along with the send of this seq was refused, and nothing was decided."""

    def __init__(self, seq: int, cause: Exception) -> None:
        self.seq = seq
        self.cause = cause
        super().__init__(str(cause))


class Riding:
    """The transactions of one process."""

    def __init__(self, database: BatchDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._usual = 0.0
        self._batches = Batches[Ride, None](
            self._run,
            lane=lambda ride: ride.plan.conversation_id,
            once=lambda _: None,
            pause=lambda: min(self._usual * _SHARE, _LONGEST),
        )

    def took(self, seconds: float) -> None:
        """Carrying out a plan took so long: on a slow cluster a little more waiting is not felt, and brings
        company.
        """
        self._usual += (seconds - self._usual) * _WEIGHT

    async def decide(self, ride: Ride) -> None:
        """Commit it.

        Raises:
            Refused: it was not.
            ApiError: it may or may not have been committed.
        """
        await self._batches.add(ride)

    async def _run(self, rides: Sequence[Ride]) -> Sequence[BaseException | None]:
        """Decide a batch; when one of it is refused, halves of it, down to the one that is."""
        try:
            # The logs are claimed: what a send is decided from cannot change.
            await self._database.write_locked(partial(_decide, rides, self._clock.now()))
        except IntegrityError:
            if len(rides) == 1:
                return [await self._alone(rides[0])]
            half = len(rides) // 2
            return [*await self._run(rides[:half]), *await self._run(rides[half:])]
        return [None] * len(rides)

    async def _alone(self, ride: Ride) -> BaseException | None:
        try:
            await self._database.write(partial(_decide_one, ride, self._clock.now()))
        except Exception as error:  # noqa: BLE001 - it is the outcome of this one alone
            return error
        return None


def _decide(rides: Sequence[Ride], now: int, tx: BatchTx) -> None:
    riding: dict[str, list[tuple[Any, ...]]] = {}
    for plan, also in sorted(rides, key=_conversation):  # so that two processes never wait for each other
        for seq, statements in also:
            for statement in statements:
                riding.setdefault(statement.sql, []).append((seq, *statement.params))
        riding.setdefault(intents.INSERT, []).append(intents.intent(plan, now))
    for sql, rows in riding.items():
        tx.run_many(sql, rows)
    tx.works = len(rides)


def _decide_one(ride: Ride, now: int, tx: WriteTx) -> None:
    for seq, statements in ride.also:
        for statement in statements:
            try:
                tx.run(statement.sql, (seq, *statement.params))
            except IntegrityError as error:
                raise Refused(seq, error) from error
    try:
        intents.propose(tx, ride.plan, now)
    except IntegrityError:
        # We seemed to be gone, and somebody saw to it that this is not committed any more.
        raise unavailable("The conversation is being changed; nothing was stored.") from None


def _conversation(ride: Ride) -> str:
    return ride.plan.conversation_id
