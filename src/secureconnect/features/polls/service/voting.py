"""Voting: the choice, the counts and the event in one transaction (invariant I7)."""

from collections.abc import Sequence
from typing import NamedTuple

from secureconnect.features.conversations.api import Conversations, Facts
from secureconnect.features.polls import store
from secureconnect.features.polls.rules import PollRecord, check_choice, check_open, check_visible
from secureconnect.features.polls.service.cards import Cards, Parts, read_parts, tally
from secureconnect.features.polls.service.creating import PollMetrics
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline.base import NewEvent, Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.events import PollVoted, encode_data
from secureconnect.kit.ids import new_time_id
from secureconnect.kit.objects import Poll
from secureconnect.kit.principal import Principal

__all__ = ["VoteService", "Voted", "no_poll", "vote_event"]


class Voted(NamedTuple):
    """The poll after a vote; `seq` is that of its event, None when nothing changed."""

    poll: Poll
    seq: int | None


class VoteService:
    """Gives, changes and withdraws votes."""

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        conversations: Conversations,
        cards: Cards,
        clock: Clock,
        metrics: PollMetrics,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._conversations = conversations
        self._cards = cards
        self._clock = clock
        self._metrics = metrics

    async def vote(self, caller: Principal, poll_id: str, option_ids: Sequence[str]) -> Voted:
        """Choose these options, instead of those chosen before; the same choice again changes nothing.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `MULTIPLE_OPTIONS_NOT_ALLOWED`, `POLL_CLOSED`, `POLL_EXPIRED`,
                `ALREADY_VOTED`.
        """
        return await self._choose(caller, poll_id, set(option_ids))

    async def withdraw(self, caller: Principal, poll_id: str) -> Voted:
        """Take the vote back.

        Raises:
            ApiError: `NOT_FOUND` (no vote too), `FORBIDDEN`, `POLL_CLOSED`, `POLL_EXPIRED`, `ALREADY_VOTED`.
        """
        return await self._choose(caller, poll_id, set())

    async def _choose(self, caller: Principal, poll_id: str, wanted: set[str]) -> Voted:
        user_id, now = caller.user_id, self._clock.now()
        known = await self._database.lookup(lambda conn: store.find(conn, poll_id))
        if known is None:
            raise no_poll()

        def choose(tx: WriteTx, facts: Facts) -> tuple[Parts, int | None]:
            poll = store.find(tx.conn, poll_id)
            if poll is None:
                raise no_poll()
            check_visible(facts, user_id, poll)
            if facts.blocked:
                raise ApiError(ErrorCode.FORBIDDEN, "Voting in this conversation is not allowed.")
            options = store.options_of(tx.conn, [poll_id])[poll_id]
            check_choice(poll, wanted, [option.option_id for option in options])
            check_open(poll, now)
            old = store.choices_of(tx.conn, user_id, [poll_id]).get(poll_id, set())
            if not (old or wanted):
                raise ApiError(ErrorCode.NOT_FOUND, "There is no vote to withdraw.")
            if old == wanted:
                return (poll, options, old), None
            if old and not poll.allow_vote_change:
                raise ApiError(ErrorCode.ALREADY_VOTED, "This poll takes one vote for good.")
            store.set_votes(tx, poll, user_id, old, wanted, now)
            ((poll, options, chosen),) = read_parts(tx.conn, user_id, store.find_many(tx.conn, [poll_id]))
            seq = self._timeline.append_in(tx, vote_event(poll, (poll, options, chosen), user_id, now))
            self._conversations.touch_in(tx, poll.conversation_id, now)
            return (poll, options, chosen), seq

        parts, seq = await self._conversations.act(known.conversation_id, user_id, choose)
        if seq is not None:
            self._metrics.poll_voted()
        (poll,) = await self._cards.shown([parts])
        return Voted(poll, seq)


def vote_event(poll: PollRecord, parts: Parts, user_id: str, now: int) -> NewEvent:
    """What members are told of a vote that led to `parts`."""
    _, options, chosen = parts
    data = PollVoted(
        poll_id=poll.poll_id,
        target_seq=poll.seq,
        user_id=None if poll.anonymous else user_id,
        option_ids=None
        if poll.anonymous
        else [option.option_id for option in options if option.option_id in chosen],
        options=tally(poll, options),
        total_votes=poll.total_votes,
        total_voters=poll.total_voters,
    )
    actor_id = None if poll.anonymous else user_id
    return NewEvent(
        poll.conversation_id,
        new_time_id(),
        data.kind,
        actor_id,
        now,
        encode_data(data),
        target_id=poll.poll_id,
    )


def no_poll() -> ApiError:
    """There is no such poll."""
    return ApiError(ErrorCode.NOT_FOUND, "There is no such poll.")
