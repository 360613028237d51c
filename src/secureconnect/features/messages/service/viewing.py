"""Events and messages as one user sees them.

What a user deleted for itself is left out of lists of messages, and is an empty row wherever the log needs
its place. Live frames are the same for everybody, and a client leaves out what it hid; only what some may not
see (`veiling`) is read for each.
"""

from collections.abc import Collection, Mapping, Sequence

from secureconnect.edge.realtime.base import EventFrame
from secureconnect.features.conversations.api import Horizons
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
from secureconnect.features.messages.service.veiling import Veil, veil_in
from secureconnect.infra.database.base import Database
from secureconnect.infra.timeline.base import MESSAGE_KINDS, StoredEvent, StoredMessage, Timeline
from secureconnect.kit.events import MessageEdited
from secureconnect.kit.objects import Event, Message

__all__ = ["TimelineView"]

# Up to here a query costs the event loop less than handing it to a thread and back.
_NEAR = 32
_NEAR_IDS = 200

# How many messages are read at once where the first ones wanted were hidden.
_FURTHER = 100


class TimelineView:
    """Events and messages rendered for a user; permission is the caller's business.

    Implements `EventSource` of the realtime edge and `LatestMessages` of conversations.
    """

    def __init__(
        self, database: Database, timeline: Timeline, horizons: Horizons, names: SenderNames, polls: PollCards
    ) -> None:
        self._database = database
        self._horizons = horizons
        self._timeline = timeline
        self._names = names
        self._polls = polls

    async def heads(self, conversation_ids: Collection[str]) -> Mapping[str, int]:
        """See `EventSource`."""
        found = await self._timeline.heads(conversation_ids)
        return {conversation_id: head.last_seq for conversation_id, head in found.items()}

    async def frames(
        self, user_id: str, conversation_id: str, *, after_seq: int, upto_seq: int, limit: int
    ) -> list[EventFrame]:
        """See `EventSource`."""
        events = await self._events(user_id, conversation_id, after_seq, upto_seq + 1, limit)
        names, cards = await self._beside(user_id, events)
        return [EventFrame(event.seq, render_frame(event, names, user_id, cards)) for event in events]

    async def latest(self, viewer_id: str, first_visible: Mapping[str, int]) -> Mapping[str, Message]:
        """See `LatestMessages`."""
        found = await self._timeline.last_messages(first_visible, viewer_id=viewer_id)
        newest = list(found.values())
        shown = await self.unhidden(viewer_id, newest)
        seen = {message.message_id for message in shown}
        for hidden in newest:
            if hidden.message_id not in seen:
                shown += await self.messages(
                    viewer_id,
                    hidden.conversation_id,
                    from_seq=first_visible[hidden.conversation_id],
                    before_seq=hidden.seq,
                    limit=1,
                )
        return {message.conversation_id: message for message in await self.rendered(viewer_id, shown)}

    async def mention_counts(self, user_id: str, marks: Mapping[str, int], *, cap: int) -> Mapping[str, int]:
        """See `LatestMessages`."""
        run = self._database.lookup if len(marks) <= _NEAR else self._database.read
        return await run(lambda conn: store.mention_counts(conn, user_id, marks, cap))

    async def events(
        self, viewer_id: str, conversation_id: str, *, after_seq: int, before_seq: int, limit: int
    ) -> list[Event]:
        """The first `limit` events of the open interval, ascending."""
        events = await self._events(viewer_id, conversation_id, after_seq, before_seq, limit)
        names, cards = await self._beside(viewer_id, events)
        return [render_event(event, names, viewer_id, cards) for event in events]

    async def messages(
        self, viewer_id: str, conversation_id: str, *, from_seq: int, before_seq: int, limit: int
    ) -> list[StoredMessage]:
        """The last `limit` messages with from_seq ≤ seq < before_seq that are not hidden, highest first."""
        found: list[StoredMessage] = []
        asked = limit
        while True:
            batch = await self._timeline.messages(
                conversation_id, from_seq=from_seq, before_seq=before_seq, limit=asked, viewer_id=viewer_id
            )
            found += await self.unhidden(viewer_id, batch)
            if len(found) >= limit or len(batch) < asked:
                return found[:limit]
            before_seq, asked = batch[-1].seq, _FURTHER

    async def newer_messages(
        self, viewer_id: str, conversation_id: str, *, after_seq: int, before_seq: int, limit: int
    ) -> list[StoredMessage]:
        """The first `limit` messages of the open interval that are not hidden, ascending."""
        found: dict[str, StoredMessage] = {}
        while len(found) < limit:
            events = await self._timeline.events(
                conversation_id, after_seq=after_seq, before_seq=before_seq, limit=_FURTHER
            )
            brought = [event.message for event in events if event.kind in MESSAGE_KINDS]
            said = [message for message in brought if message is not None]
            found |= {message.message_id: message for message in await self.unhidden(viewer_id, said)}
            if len(events) < _FURTHER:
                break
            after_seq = events[-1].seq
        wanted = list(found)[:limit]
        # Events say nothing about whose reactions they are.
        read = await self._timeline.messages_by_id(wanted, viewer_id=viewer_id)
        return await self.unhidden(viewer_id, [read[key] for key in wanted if key in read])

    async def unhidden(self, viewer_id: str, stored: Sequence[StoredMessage]) -> list[StoredMessage]:
        """`stored` without what the viewer deleted for itself."""
        if not stored:
            return []
        ids = [message.message_id for message in stored]
        run = self._database.lookup if len(ids) <= _NEAR_IDS else self._database.read
        hidden = await run(lambda conn: store.hidden_among(conn, viewer_id, ids))
        return [message for message in stored if message.message_id not in hidden]

    async def rendered(self, viewer_id: str, stored: Sequence[StoredMessage]) -> list[Message]:
        """`stored` in the same order, without words of messages that the viewer does not see."""
        if any(message.quote is not None for message in stored):
            veil = await self._veil(viewer_id, stored, ())
            stored = [veil.message(message) for message in stored]
        names = await self._names.of(senders(stored))
        poll_ids = polls_of(stored)
        cards = await self._polls.cards(viewer_id, poll_ids) if poll_ids else {}
        return [render_message(message, names, viewer_id, cards) for message in stored]

    async def _events(
        self, viewer_id: str, conversation_id: str, after_seq: int, before_seq: int, limit: int
    ) -> list[StoredEvent]:
        events = await self._timeline.events(
            conversation_id, after_seq=after_seq, before_seq=before_seq, limit=limit
        )
        brought = [event.message for event in events if event.message is not None]
        if not brought:
            return events
        edited = any(event.kind == MessageEdited.kind for event in events)
        veil = await self._veil(viewer_id, brought, (conversation_id,) if edited else ())
        return [veil.event(event) for event in events]

    async def _veil(self, viewer_id: str, stored: Sequence[StoredMessage], asked: Sequence[str]) -> Veil:
        run = self._database.lookup if 2 * len(stored) <= _NEAR_IDS else self._database.read
        return await run(lambda conn: veil_in(conn, self._horizons, viewer_id, stored, asked))

    async def _beside(self, viewer_id: str, events: Sequence[StoredEvent]) -> tuple[Names, Cards]:
        """What rendering events needs beside them."""
        names = await self._names.of(senders(event.message for event in events))
        poll_ids = polls_of(event.message for event in events if event.kind == "poll_created")
        return names, await self._polls.cards(viewer_id, poll_ids) if poll_ids else {}
