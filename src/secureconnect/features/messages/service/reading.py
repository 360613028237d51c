"""Reading a conversation's log: events by seq, messages newest first, one message.

Who may read is always asked after the head was read, and nothing above that head is given out. So whatever a
caller gets was committed while it was a member, however a removal falls into the request (G7).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from secureconnect.edge.realtime.base import EventFrame
from secureconnect.features.conversations.api import Conversations, Member
from secureconnect.features.messages import store
from secureconnect.features.messages.api import PollCards
from secureconnect.features.messages.service.rendering import (
    Cards,
    Names,
    SenderNames,
    polls_of,
    render_event,
    render_frame,
    render_message,
    senders,
)
from secureconnect.infra.database.base import Database
from secureconnect.infra.timeline.base import MESSAGE_KINDS, Head, StoredEvent, StoredMessage, Timeline
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.objects import Event, Message
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal

__all__ = ["EventsPage", "MessagesPage", "ReadService", "TimelineView"]

# Read beside the messages wanted, for the other events between them.
_SPARE_EVENTS = 20

# Up to here a query costs the event loop less than handing it to a thread and back.
_NEAR = 32


class TimelineView:
    """Events and messages rendered for a user; permission is the caller's business.

    Implements `EventSource` of the realtime edge and `LatestMessages` of conversations.
    """

    def __init__(self, database: Database, timeline: Timeline, names: SenderNames, polls: PollCards) -> None:
        self._database = database
        self._timeline = timeline
        self._names = names
        self._polls = polls

    async def frames(
        self, user_id: str, conversation_id: str, *, after_seq: int, upto_seq: int, limit: int
    ) -> list[EventFrame]:
        """See `EventSource`."""
        events = await self._timeline.events(
            conversation_id, after_seq=after_seq, before_seq=upto_seq + 1, limit=limit
        )
        names, cards = await self._beside(user_id, events)
        return [EventFrame(event.seq, render_frame(event, names, user_id, cards)) for event in events]

    async def latest(self, viewer_id: str, first_visible: Mapping[str, int]) -> Mapping[str, Message]:
        """See `LatestMessages`."""
        stored = await self._timeline.last_messages(first_visible, viewer_id=viewer_id)
        shown = await self.rendered(viewer_id, list(stored.values()))
        return {message.conversation_id: message for message in shown}

    async def mention_counts(self, user_id: str, marks: Mapping[str, int], *, cap: int) -> Mapping[str, int]:
        """See `LatestMessages`."""
        run = self._database.lookup if len(marks) <= _NEAR else self._database.read
        return await run(lambda conn: store.mention_counts(conn, user_id, marks, cap))

    async def events(
        self, viewer_id: str, conversation_id: str, *, after_seq: int, before_seq: int, limit: int
    ) -> list[Event]:
        """The first `limit` events of the open interval, ascending."""
        events = await self._timeline.events(
            conversation_id, after_seq=after_seq, before_seq=before_seq, limit=limit
        )
        names, cards = await self._beside(viewer_id, events)
        return [render_event(event, names, viewer_id, cards) for event in events]

    async def rendered(self, viewer_id: str, stored: Sequence[StoredMessage]) -> list[Message]:
        """`stored` in the same order."""
        names = await self._names.of(senders(stored))
        poll_ids = polls_of(stored)
        cards = await self._polls.cards(viewer_id, poll_ids) if poll_ids else {}
        return [render_message(message, names, viewer_id, cards) for message in stored]

    async def _beside(self, viewer_id: str, events: Sequence[StoredEvent]) -> tuple[Names, Cards]:
        """What rendering events needs beside them."""
        names = await self._names.of(senders(event.message for event in events))
        poll_ids = polls_of(event.message for event in events if event.kind == "poll_created")
        return names, await self._polls.cards(viewer_id, poll_ids) if poll_ids else {}


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
            middle = await self._message_in(conversation_id, around, readable)
            newer = await self._newer(middle, limit // 2, readable, caller.user_id)
            before = middle.seq + 1
        wanted = limit - len(newer)
        older = await self._timeline.messages(
            conversation_id,
            from_seq=readable.first,
            before_seq=readable.last + 1 if before is None else before,
            limit=wanted + 1,
            viewer_id=caller.user_id,
        )
        stored = newer[::-1] + older[:wanted]
        has_more = len(older) > wanted
        return MessagesPage(
            await self._view.rendered(caller.user_id, stored),
            self._cursors.encode(scope, (stored[-1].seq,)) if has_more else None,
            has_more,
        )

    async def message(self, caller: Principal, message_id: str) -> Message:
        """One message.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `TIMELINE_UNAVAILABLE`.
        """
        stored = await self._timeline.message(message_id, viewer_id=caller.user_id)
        if stored is None:
            raise _no_message()
        member = await self._conversations.member(stored.conversation_id, caller.user_id)
        if stored.seq < member.visible_from:
            raise _hidden()
        (message,) = await self._view.rendered(caller.user_id, [stored])
        return message

    async def _readable(self, conversation_id: str, user_id: str) -> _Readable:
        head = await self._timeline.head(conversation_id)
        member = await self._conversations.member(conversation_id, user_id)
        if head is None:
            raise ApiError(ErrorCode.NOT_FOUND, "There is no such conversation.")
        return readable_of(head, member)

    async def _message_in(self, conversation_id: str, message_id: str, readable: _Readable) -> StoredMessage:
        stored = await self._timeline.message(message_id)
        if stored is None or stored.conversation_id != conversation_id or stored.seq > readable.last:
            raise _no_message()
        if stored.seq < readable.first:
            raise _hidden()
        return stored

    async def _newer(
        self, middle: StoredMessage, most: int, readable: _Readable, viewer_id: str
    ) -> list[StoredMessage]:
        """The next `most` messages above `middle`, ascending; other events lie between them."""
        found: list[str] = []
        after = middle.seq
        while len(found) < most and after < readable.last:
            events = await self._timeline.events(
                middle.conversation_id,
                after_seq=after,
                before_seq=readable.last + 1,
                limit=most - len(found) + _SPARE_EVENTS,
            )
            if not events:
                break
            after = events[-1].seq
            found += [event.event_id for event in events if event.kind in MESSAGE_KINDS]
        messages = await self._timeline.messages_by_id(found[:most], viewer_id=viewer_id)
        return sorted(messages.values(), key=lambda message: message.seq)


def readable_of(head: Head, member: Member) -> _Readable:
    """The seqs that `member` may read of a log that stood at `head` before the membership was read."""
    return _Readable(max(head.first_seq, member.visible_from), head.last_seq)


def _no_message() -> ApiError:
    return ApiError(ErrorCode.NOT_FOUND, "There is no such message.")


def _hidden() -> ApiError:
    return ApiError(ErrorCode.FORBIDDEN, "This message is not open to you.")
