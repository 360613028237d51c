"""Reading a conversation's log: events by seq, messages newest first, one message.

Nothing above the head is given out that was read before it was asked who may read; and whoever is no member
any more at the end gets nothing, because what was read may have changed since. So whatever a caller gets was
committed while it was a member, however a removal falls into the request (G7).
"""

from typing import NamedTuple

from msgspec import Struct

from secureconnect.features.conversations.api import Conversations, Member
from secureconnect.features.messages.rules import no_message, not_open
from secureconnect.features.messages.service.viewing import TimelineView
from secureconnect.infra.timeline.base import Head, StoredMessage, Timeline
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.objects import Event, Message
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal

__all__ = ["EventsPage", "MessagesPage", "ReadService"]


class EventsPage(Struct, frozen=True):
    """Events in ascending order. `first_seq` is the lowest seq that the caller may read.

    `has_more`: with `after_seq` there are more above, else there are more below.
    """

    events: list[Event]
    first_seq: int
    last_seq: int
    has_more: bool


class MessagesPage(Struct, frozen=True):
    """Messages, highest seq first."""

    messages: list[Message]
    next_cursor: str | None
    has_more: bool


class _Readable(NamedTuple):
    """The seqs that a member may read."""

    first: int
    last: int


class ReadService:
    """What members read over HTTP."""

    def __init__(
        self, timeline: Timeline, conversations: Conversations, view: TimelineView, cursors: Cursors
    ) -> None:
        self._timeline = timeline
        self._conversations = conversations
        self._view = view
        self._cursors = cursors

    async def events(
        self,
        caller: Principal,
        conversation_id: str,
        *,
        after_seq: int | None,
        before_seq: int | None,
        limit: int,
    ) -> EventsPage:
        """Events by seq (docs/reference/http.md, messages).

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `TIMELINE_UNAVAILABLE`.
        """
        readable = await self._readable(conversation_id, caller.user_id)
        top = readable.last if before_seq is None else min(before_seq - 1, readable.last)
        # Seqs have no gaps, so the last `limit` of them are known without looking.
        bottom = max(readable.first - 1, top - limit if after_seq is None else after_seq)
        events: list[Event] = []
        if bottom < top:
            events = await self._view.events(
                caller.user_id, conversation_id, after_seq=bottom, before_seq=top + 1, limit=limit
            )
            await self._conversations.member(conversation_id, caller.user_id)
        above = bool(events) and events[-1].seq < top
        below = bottom >= readable.first
        return EventsPage(
            events, readable.first, readable.last, has_more=below if after_seq is None else above
        )

    async def messages(
        self,
        caller: Principal,
        conversation_id: str,
        *,
        cursor: str | None,
        around: str | None,
        limit: int,
    ) -> MessagesPage:
        """Messages, highest seq first; `around` puts one of them into the middle.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN`, `TIMELINE_UNAVAILABLE`.
        """
        if cursor is not None and around is not None:
            raise invalid("around", "not together with cursor")
        scope = ("messages", conversation_id, caller.user_id)
        before: int | None = None
        if cursor is not None:
            (before,) = self._cursors.decode(scope, cursor)
        readable = await self._readable(conversation_id, caller.user_id)
        newer: list[StoredMessage] = []
        if around is not None:
            middle = await self._message_in(caller.user_id, conversation_id, around, readable)
            newer = await self._view.newer_messages(
                caller.user_id,
                conversation_id,
                after_seq=middle.seq,
                before_seq=readable.last + 1,
                limit=limit // 2,
            )
            before = middle.seq + 1
        wanted = limit - len(newer)
        older = await self._view.messages(
            caller.user_id,
            conversation_id,
            from_seq=readable.first,
            before_seq=readable.last + 1 if before is None else before,
            limit=wanted + 1,
        )
        stored = newer[::-1] + older[:wanted]
        has_more = len(older) > wanted
        shown = await self._view.rendered(caller.user_id, stored)
        await self._conversations.member(conversation_id, caller.user_id)
        return MessagesPage(
            shown,
            self._cursors.encode(scope, (stored[-1].seq,)) if has_more else None,
            has_more,
        )

    async def message(self, caller: Principal, message_id: str) -> Message:
        """One message.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `TIMELINE_UNAVAILABLE`.
        """
        opened = await self.opened(caller.user_id, message_id)
        shown = await self.shown(caller.user_id, opened)
        if opened.message_type == "poll":
            # Its counts were read just now.
            await self._conversations.member(opened.conversation_id, caller.user_id)
        return shown

    async def shown(self, user_id: str, stored: StoredMessage) -> Message:
        """A message that the user may read, as it sees it."""
        (message,) = await self._view.rendered(user_id, [stored])
        return message

    async def opened(self, user_id: str, message_id: str) -> StoredMessage:
        """A message that the user may read; it may be deleted.

        Whatever else is told about the message must be read before this is asked (G7).

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `TIMELINE_UNAVAILABLE`.
        """
        stored = await self._timeline.message(message_id, viewer_id=user_id)
        if stored is None:
            raise no_message()
        member = await self._conversations.member(stored.conversation_id, user_id)
        if stored.seq < member.visible_from:
            raise not_open()
        shown = await self._view.unhidden(user_id, [stored])
        if not shown:
            raise no_message()
        return shown[0]

    async def _readable(self, conversation_id: str, user_id: str) -> _Readable:
        head = await self._timeline.head(conversation_id)
        member = await self._conversations.member(conversation_id, user_id)
        if head is None:
            raise ApiError(ErrorCode.NOT_FOUND, "There is no such conversation.")
        return readable_of(head, member)

    async def _message_in(
        self, viewer_id: str, conversation_id: str, message_id: str, readable: _Readable
    ) -> StoredMessage:
        stored = await self._timeline.message(message_id)
        if stored is None or stored.conversation_id != conversation_id or stored.seq > readable.last:
            raise no_message()
        if stored.seq < readable.first:
            raise not_open()
        if not await self._view.unhidden(viewer_id, [stored]):
            raise no_message()
        return stored


def readable_of(head: Head, member: Member) -> _Readable:
    """The seqs that `member` may read of a log that stood at `head` before the membership was read."""
    return _Readable(max(head.first_seq, member.visible_from), head.last_seq)
