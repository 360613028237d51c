"""What a member decides for itself: archive, mute, clear."""

from typing import Any

from secureconnect.features.conversations import rules, store
from secureconnect.features.conversations.api import FOR_GOOD, MyState
from secureconnect.features.conversations.service.facts import FactsCache
from secureconnect.features.conversations.service.neighbours import Neighbours
from secureconnect.features.conversations.service.seats import seat_in
from secureconnect.features.conversations.store import Seat
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import Clock

__all__ = ["Personal"]


class Personal:
    """Changes that concern nobody but the caller; the caller's sockets are told by `my_state`."""

    def __init__(
        self, database: Database, timeline: Timeline, clock: Clock, facts: FactsCache, neighbours: Neighbours
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._clock = clock
        self._facts = facts
        self._neighbours = neighbours

    async def archive(self, user_id: str, conversation_id: str, *, archived: bool) -> MyState:
        """Take a conversation out of the list, or put it back. Raises as `api.Conversations.member`."""
        return await self._set(user_id, conversation_id, {"archived": archived})

    async def mute(self, user_id: str, conversation_id: str, until: int | None) -> MyState:
        """Mute until a time in the future, or for good. Raises as `api.Conversations.member`.

        Raises:
            ApiError: `VALIDATION_ERROR` for a time that is over.
        """
        rules.check_mute(until, self._clock.now())
        return await self._set(user_id, conversation_id, {"muted_until": min(until or FOR_GOOD, FOR_GOOD)})

    async def unmute(self, user_id: str, conversation_id: str) -> MyState:
        """Hear of it again. Raises as `api.Conversations.member`."""
        return await self._set(user_id, conversation_id, {"muted_until": None})

    async def _set(self, user_id: str, conversation_id: str, values: dict[str, Any]) -> MyState:
        def work(tx: WriteTx) -> None:
            seat = seat_in(tx.conn, conversation_id, user_id)
            if all(getattr(seat.member, name) == value for name, value in values.items()):
                return
            store.set_flags(tx, conversation_id, user_id, values)
            # What is archived comes back with a message unless muted: the next sender must know.
            if values.get("archived", seat.member.archived):
                self._facts.changed_in(tx, conversation_id)

        await self._database.write(work, brief=True)
        return await self._neighbours.tell_my_state(conversation_id, user_id)

    async def clear(self, user_id: str, conversation_id: str) -> None:
        """Hide a direct conversation from the caller until the next message, and its history for good."""
        head = await self._timeline.head(conversation_id)
        assert head is not None  # the caller was found to be a member before

        def work(tx: WriteTx) -> None:
            seat = seat_in(tx.conn, conversation_id, user_id)
            # A message moves its sender's mark in its own transaction, so none that was committed since the
            # head was read is left out, and none that comes later is cleared.
            upto = max(head.last_seq, store.highest_mark(tx.conn, conversation_id))
            self._clear_in(tx, seat, upto)

        await self._database.write(work, brief=True)
        await self._neighbours.tell_my_state(conversation_id, user_id)

    def _clear_in(self, tx: WriteTx, seat: Seat, upto: int) -> None:
        member = seat.member
        key = member.conversation_id
        store.advance_marks(tx, key, member.user_id, read=upto, delivered=upto, read_at=self._clock.now())
        store.set_flags(tx, key, member.user_id, {"cleared_seq": upto, "hidden": True})
        self._facts.changed_in(tx, key)
