"""Closing: by its creator, an admin, or time."""

from functools import partial

from sqlalchemy import Connection

from secureconnect.features.conversations.api import Conversations, Facts
from secureconnect.features.polls import store
from secureconnect.features.polls.rules import CloseReason, PollRecord, check_visible, may_manage
from secureconnect.features.polls.service.cards import Cards, Parts, read_parts, tally
from secureconnect.features.polls.service.voting import no_poll
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.timeline.base import GuardChanged, NewEvent, Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.events import PollClosed, encode_data
from secureconnect.kit.ids import new_time_id
from secureconnect.kit.objects import Poll
from secureconnect.kit.principal import Principal

__all__ = ["CloseService"]

log = get_logger()

_BATCH = 100
_VOTES_BATCH = 1000
_ANONYMOUS_KEPT_MS = 30 * 24 * 3600 * 1000


class CloseService:
    """Makes results final."""

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        conversations: Conversations,
        cards: Cards,
        clock: Clock,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._conversations = conversations
        self._cards = cards
        self._clock = clock

    async def close(self, caller: Principal, poll_id: str) -> Poll:
        """Close a poll; a closed one stays as it is.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`.
        """
        user_id, now = caller.user_id, self._clock.now()
        known = await self._database.lookup(lambda conn: store.find(conn, poll_id))
        if known is None:
            raise no_poll()

        def close(tx: WriteTx, facts: Facts) -> Parts:
            poll = store.find(tx.conn, poll_id)
            if poll is None:
                raise no_poll()
            check_visible(facts, user_id, poll)
            if not may_manage(facts, user_id, poll):
                raise ApiError(ErrorCode.FORBIDDEN, "Only its creator and admins may close a poll.")
            if poll.closed_at is None:
                self._close_in(tx, poll, user_id, "closed", now)
            (parts,) = read_parts(tx.conn, user_id, store.find_many(tx.conn, [poll_id]))
            return parts

        parts = await self._conversations.act(known.conversation_id, user_id, close)
        (poll,) = await self._cards.shown([parts])
        return poll

    async def close_expired(self) -> int:
        """Close polls whose time is over, each in a transaction of its own; returns how many.

        One that cannot be closed now holds up no other.
        """
        now, closed = self._clock.now(), 0
        after = (0, "")
        while due := await self._database.read(partial(_expired, now, after)):
            for known in due:
                try:
                    closed += await self._database.write(partial(self._expire, known.poll_id, now))
                except ApiError:
                    raise
                except Exception as error:
                    log.warning("poll stays open", poll_id=known.poll_id, error=str(error), exc_info=True)
            if len(due) < _BATCH:
                break
            after = due[-1].expires_at or 0, due[-1].poll_id
        return closed

    def _expire(self, poll_id: str, now: int, tx: WriteTx) -> bool:
        poll = store.find(tx.conn, poll_id)
        if poll is None or poll.closed_at is not None:
            return False
        try:
            self._close_in(tx, poll, None, "expired", now)
        except GuardChanged:
            # The conversation is gone, and what is left of it goes with its log.
            store.delete_polls(tx, [poll_id])
        return True

    async def forget_anonymous_votes(self) -> int:
        """Drop who voted in anonymous polls that closed 30 days ago; returns how many votes."""
        before = self._clock.now() - _ANONYMOUS_KEPT_MS
        old = await self._database.read(lambda conn: store.closed_anonymous(conn, before, _BATCH))
        if not old:
            return 0
        return await self._database.write(lambda tx: store.forget_votes(tx, old, _VOTES_BATCH))

    def _close_in(self, tx: WriteTx, poll: PollRecord, by: str | None, reason: CloseReason, now: int) -> None:
        options = store.options_of(tx.conn, [poll.poll_id]).get(poll.poll_id, [])
        data = PollClosed(
            poll_id=poll.poll_id,
            target_seq=poll.seq,
            by=by,
            reason=reason,
            options=tally(poll, options),
            total_votes=poll.total_votes,
            total_voters=poll.total_voters,
        )
        self._timeline.append_in(
            tx,
            NewEvent(
                poll.conversation_id,
                new_time_id(),
                data.kind,
                by,
                now,
                encode_data(data),
                target_id=poll.poll_id,
            ),
        )
        store.close(tx, poll.poll_id, reason, now)
        self._conversations.touch_in(tx, poll.conversation_id, now)


def _expired(now: int, after: tuple[int, str], conn: Connection) -> list[PollRecord]:
    return store.expired(conn, now, after, _BATCH)
