"""What every change of a message has in common: found, open to the caller, told in the same transaction."""

from collections.abc import Callable
from typing import TypeVar

from secureconnect.features.conversations.api import Conversations, Facts
from secureconnect.features.messages import store
from secureconnect.features.messages.rules import no_message, not_open
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import NewEvent, StoredMessage, Timeline
from secureconnect.kit.ids import new_time_id

__all__ = ["Change", "Changes"]

T = TypeVar("T")

#: Runs in a transaction with facts that hold in it and the message as it is there.
Change = Callable[[WriteTx, Facts, StoredMessage], T]


class Changes:
    """Runs changes of messages and writes their events."""

    def __init__(self, timeline: Timeline, conversations: Conversations) -> None:
        self._timeline = timeline
        self._conversations = conversations

    async def act(self, user_id: str, message_id: str, change: Change[T], *, hidden_too: bool = False) -> T:
        """Run `change` on a message that is open to the member; it may be deleted.

        `hidden_too`: also on one that the member deleted for itself.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `TIMELINE_UNAVAILABLE`; what `change` raises.
        """
        known = await self._timeline.message(message_id)
        if known is None:
            raise no_message()

        def work(tx: WriteTx, facts: Facts) -> T:
            message = self._timeline.message_in(tx, message_id, viewer_id=user_id)
            if message is None:
                raise no_message()
            if message.seq < facts.members[user_id].visible_from:
                raise not_open()
            if not hidden_too and store.hidden_among(tx.conn, user_id, [message_id]):
                raise no_message()
            return change(tx, facts, message)

        return await self._conversations.act(known.conversation_id, user_id, work)

    def tell_in(
        self,
        tx: WriteTx,
        message: StoredMessage,
        kind: str,
        actor_id: str | None,
        now: int,
        data: bytes = b"",
        *,
        with_state: bool = False,
    ) -> int:
        """Append an event about `message`, which is now its conversation's last one; returns its seq.

        `with_state`: whoever reads the event needs the message's state then.
        """
        event = NewEvent(
            message.conversation_id,
            new_time_id(),
            kind,
            actor_id,
            now,
            data,
            target_id=message.message_id if with_state else None,
        )
        seq = self._timeline.append_in(tx, event)
        self._conversations.touch_in(tx, message.conversation_id, now)
        return seq
