"""Pinning: messages that a conversation keeps at hand."""

from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from secureconnect.features.conversations.api import Conversations, Facts
from secureconnect.features.messages import store
from secureconnect.features.messages.rules import check_may_pin, check_room_for_pin, no_message
from secureconnect.features.messages.service.changing import Changes
from secureconnect.features.messages.service.reading import MessagesPage
from secureconnect.features.messages.service.viewing import TimelineView
from secureconnect.features.messages.store import Pin
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline.base import StoredMessage, Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.events import MessagePinned, MessageUnpinned, encode_data
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal

__all__ = ["PinService"]


class _Shown(NamedTuple):
    pin: Pin
    message: StoredMessage


class PinService:
    """Lets members pin what matters."""

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        conversations: Conversations,
        changes: Changes,
        view: TimelineView,
        cursors: Cursors,
        clock: Clock,
        *,
        max_pins: int,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._conversations = conversations
        self._changes = changes
        self._view = view
        self._cursors = cursors
        self._clock = clock
        self._max_pins = max_pins

    async def pin(self, caller: Principal, conversation_id: str, message_id: str) -> bool:
        """Pin a message of the conversation; False, without an event, when it is pinned already.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `LIMIT_REACHED`, `TIMELINE_UNAVAILABLE`.
        """
        user_id, now = caller.user_id, self._clock.now()

        def change(tx: WriteTx, facts: Facts, message: StoredMessage) -> bool:
            if message.conversation_id != conversation_id or message.deleted_at is not None:
                raise no_message()
            check_may_pin(facts, user_id)
            if message.pinned:
                return False
            check_room_for_pin(facts, store.count_pins(tx.conn, conversation_id), self._max_pins)
            store.pin(tx, conversation_id, message_id, user_id, now)
            self._timeline.set_pinned_in(tx, message_id, pinned=True)
            data = MessagePinned(message_id=message_id, target_seq=message.seq, by=user_id)
            self._changes.tell_in(tx, message, data.kind, user_id, now, encode_data(data))
            return True

        await self._conversations.member(conversation_id, user_id)
        return await self._changes.act(user_id, message_id, change)

    async def unpin(self, caller: Principal, conversation_id: str, message_id: str) -> None:
        """Take a pin away.

        Raises:
            ApiError: `NOT_FOUND`, also for what is not pinned; `FORBIDDEN`, `TIMELINE_UNAVAILABLE`.
        """
        user_id, now = caller.user_id, self._clock.now()

        def change(tx: WriteTx, facts: Facts, message: StoredMessage) -> None:
            if message.conversation_id != conversation_id:
                raise no_message()
            if not message.pinned:
                raise ApiError(ErrorCode.NOT_FOUND, "This message is not pinned.")
            check_may_pin(facts, user_id)
            store.unpin(tx, conversation_id, message_id)
            self._timeline.set_pinned_in(tx, message_id, pinned=False)
            data = MessageUnpinned(message_id=message_id, target_seq=message.seq, by=user_id)
            self._changes.tell_in(tx, message, data.kind, user_id, now, encode_data(data))

        await self._conversations.member(conversation_id, user_id)
        await self._changes.act(user_id, message_id, change)

    async def pins(
        self, caller: Principal, conversation_id: str, *, cursor: str | None, limit: int
    ) -> MessagesPage:
        """Pinned messages, the newest pin first, without those that the caller cannot see.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN`, `TIMELINE_UNAVAILABLE`.
        """
        user_id = caller.user_id
        scope = ("pins", conversation_id, user_id)
        after = Pin(*self._cursors.decode(scope, cursor)) if cursor is not None else None
        member = await self._conversations.member(conversation_id, user_id)
        found: list[_Shown] = []
        while len(found) <= limit:
            pins = await self._database.lookup(partial(_list_pins, conversation_id, after, limit + 1))
            found += await self._shown(user_id, member.visible_from, pins)
            if len(pins) <= limit:
                break
            after = pins[-1]
        shown, has_more = found[:limit], len(found) > limit
        messages = await self._view.rendered(user_id, [one.message for one in shown])
        # Asked again: who was removed meanwhile learns nothing of what came after (G7).
        await self._conversations.member(conversation_id, user_id)
        return MessagesPage(
            messages,
            self._cursors.encode(scope, shown[-1].pin) if has_more else None,
            has_more,
        )

    async def _shown(self, user_id: str, visible_from: int, pins: list[Pin]) -> list[_Shown]:
        read = await self._timeline.messages_by_id([pin.message_id for pin in pins], viewer_id=user_id)
        open_ = [one for one in read.values() if one.seq >= visible_from and one.deleted_at is None]
        seen = {message.message_id: message for message in await self._view.unhidden(user_id, open_)}
        return [_Shown(pin, seen[pin.message_id]) for pin in pins if pin.message_id in seen]


def _list_pins(conversation_id: str, after: Pin | None, limit: int, conn: Connection) -> list[Pin]:
    return store.list_pins(conn, conversation_id, after, limit)
