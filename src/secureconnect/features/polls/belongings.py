"""One person's votes. Polls that it asked go with their messages."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from sqlalchemy import Connection

from secureconnect.features.conversations.api import Conversations
from secureconnect.features.polls import store
from secureconnect.features.polls.rules import PollRecord
from secureconnect.features.polls.service.cards import read_parts
from secureconnect.features.polls.service.voting import vote_event
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.database.personal import Page
from secureconnect.infra.timeline.base import GuardChanged, Timeline
from secureconnect.kit.clock import Clock, rfc3339

__all__ = ["Votes"]

_CONVERSATIONS: Final = 200
_POLLS: Final = 100


class Votes:
    """Implements `privacy.api.Belongings`.

    A vote is taken back with everything that this means: counts follow (invariant I7), also of polls that
    are closed, and members are told.
    """

    name = "votes"
    tables = frozenset({"polls", "poll_options", "poll_votes"})

    def __init__(
        self, database: Database, timeline: Timeline, conversations: Conversations, clock: Clock
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._conversations = conversations
        self._clock = clock

    async def exported(self, user_id: str) -> AsyncIterator[Page]:
        """See `Belongings.exported`."""
        async for polls in self._voted(user_id):
            chosen, options = await self._database.read(
                lambda conn, polls=polls: (  # type: ignore[misc]
                    store.choices_of(conn, user_id, [poll.poll_id for poll in polls]),
                    store.options_of(conn, [poll.poll_id for poll in polls]),
                )
            )
            yield (
                "votes.json",
                [
                    {
                        "conversation_id": poll.conversation_id,
                        "poll_id": poll.poll_id,
                        "asked_at": rfc3339(poll.created_at),
                        "question": poll.question,
                        "chosen": [
                            option.option_text
                            for option in options[poll.poll_id]
                            if option.option_id in chosen.get(poll.poll_id, ())
                        ],
                    }
                    for poll in polls
                ],
            )

    async def erased(self, user_id: str) -> AsyncIterator[int]:
        """See `Belongings.erased`."""
        async for polls in self._voted(user_id):
            for poll in polls:
                yield await self._database.write(
                    lambda tx, poll_id=poll.poll_id: self._take_back(tx, user_id, poll_id)  # type: ignore[misc]
                )

    async def _voted(self, user_id: str) -> AsyncIterator[Sequence[PollRecord]]:
        """Polls with a vote of this user, in every conversation that it is or was in."""
        after: str | None = None
        while page := await self._conversations.ever_in(user_id, after=after, limit=_CONVERSATIONS):
            after = page[-1]
            for conversation_id in page:
                before: int | None = None
                while polls := await self._page(conversation_id, before):
                    before = polls[-1].seq
                    ids = [poll.poll_id for poll in polls]
                    chosen = await self._database.read(
                        lambda conn, ids=ids: store.choices_of(conn, user_id, ids)  # type: ignore[misc]
                    )
                    if chosen:
                        yield [poll for poll in polls if poll.poll_id in chosen]

    async def _page(self, conversation_id: str, before: int | None) -> list[PollRecord]:
        def read(conn: Connection) -> list[PollRecord]:
            return store.in_conversation(
                conn, conversation_id, first=0, before=before, open_at=None, limit=_POLLS
            )

        return await self._database.read(read)

    def _take_back(self, tx: WriteTx, user_id: str, poll_id: str) -> int:
        poll = store.find(tx.conn, poll_id)
        old = store.choices_of(tx.conn, user_id, [poll_id]).get(poll_id, set())
        if poll is None or not old:
            return 0
        now = self._clock.now()
        store.set_votes(tx, poll, user_id, old, set(), now)
        ((poll, options, chosen),) = read_parts(tx.conn, user_id, store.find_many(tx.conn, [poll_id]))
        try:
            self._timeline.append_in(tx, vote_event(poll, (poll, options, chosen), user_id, now))
        except GuardChanged:
            return len(old)  # its conversation is going
        self._conversations.touch_in(tx, poll.conversation_id, now)
        return len(old)
