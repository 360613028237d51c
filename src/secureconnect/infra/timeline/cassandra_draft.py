"""What a transaction does to one log before it commits: the events to come and the messages as they will
be.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from secureconnect.infra.timeline.base import (
    MESSAGE_KINDS,
    AttachedFile,
    NewEvent,
    StoredEvent,
    StoredMessage,
    brought,
)
from secureconnect.infra.timeline.cassandra_link import Link
from secureconnect.infra.timeline.cassandra_projection import stamp
from secureconnect.infra.timeline.cassandra_rows import Bare, Overlay, bare_at, complete, place_of, quotes_of
from secureconnect.infra.timeline.cassandra_schema import bucket_of, slot_of
from secureconnect.infra.timeline.decided_heads import HeadRow
from secureconnect.infra.timeline.intents import Plan
from secureconnect.kit.ids import new_id

__all__ = ["HOUR", "Draft", "is_plain"]

HOUR: Final = 3_600_000


class Draft:
    """Changes of one conversation whose head is locked. Nothing of it is visible until its plan is carried
    out."""

    def __init__(self, conversation_id: str, base: HeadRow) -> None:
        self.conversation_id = conversation_id
        self.base = base
        self.revision = base.revision + 1
        self.first_seq, self.last_seq, self.last_at = base.first_seq, base.last_seq, base.last_at
        self.message_count, self.guard = base.message_count, base.guard
        self.ended = False
        self.overlay = Overlay()
        self.told: list[StoredEvent] = []
        self._said: list[tuple[str, list[Any]]] = []
        self._writes: dict[tuple[Any, ...], tuple[str, tuple[Any, ...]]] = {}

    def write(self, name: str, *params: Any, key: int = 0) -> None:
        """One mutation; the same statement about the same row, whose key are the first `key` parameters,
        replaces an earlier one. With `key` 0 all parameters are the key."""
        self._writes[(name, *(params[:key] if key else params))] = (name, params)

    def unwrite(self, name: str, *key: Any) -> None:
        """Take a mutation back whose effect another one of this transaction ends."""
        self._writes.pop((name, *key), None)

    def drop(self, message_id: str, *names: str) -> None:
        """Take back what was put beside a message."""
        for key in [key for key in self._writes if key[0] in names and key[1] == message_id]:
            del self._writes[key]

    @property
    def changed(self) -> bool:
        """Whether there is anything to commit."""
        same = self.guard == self.base.guard and self.base.revision > 0 and not self.ended
        return bool(self._said or self._writes) or not same

    @property
    def head(self) -> HeadRow:
        """As it will be."""
        return HeadRow(
            self.first_seq, self.last_seq, self.last_at, self.message_count, self.guard, self.revision
        )

    def plan(self, kind: str | None = None) -> Plan:
        """The commit, called `kind` or as its first event is."""
        mutations = self._said.copy()
        for name, params in self._writes.values():
            at = stamp(self.revision, name)
            if name == "put_hour":
                mutations.append((name, list(params)))
            elif name.startswith("del"):
                mutations.append((name, [at, *params]))
            else:
                mutations.append((name, [*params, at]))
        if kind is None:
            kind = self.told[0].kind if self.told else "change"
        ids = tuple(event.event_id for event in self.told)
        to = None if self.ended else self.head
        return Plan(ids[0] if ids else new_id(), self.conversation_id, self.base, to, mutations, ids, kind)

    def bring(self, event: NewEvent) -> StoredEvent:
        """Put an event at the next place that is not about another message: its own does not stand in a
        thread. What it shows of a message that it answers is left open."""
        seq = self._next(event)
        if is_plain(event):
            return self._say(event, seq)
        return self._put(event, seq, None if event.message is None else self._bring(event, seq))

    async def append(self, link: Link, event: NewEvent) -> StoredEvent:
        """Put an event at the next place."""
        seq = self._next(event)
        if event.message is not None:
            state = self._bring(event, seq)
            if event.message.thread_root_id is not None:
                await self.count_reply(link, event.message.thread_root_id, 1)
            if event.message.quote is not None:
                # It may have been edited or deleted since the sender saw it, in an event before this one.
                bare = self.overlay.messages[event.event_id]
                quotes = await quotes_of(link, [bare], self.overlay)
                state = msgspec.structs.replace(state, quote=quotes.get(event.message.quote.message_id))
            return self._put(event, seq, state)
        target = None if event.target_id is None else await self.find(link, event.target_id)
        if target is None:
            return self._put(event, seq, None)
        shown = (await complete(link, [target], None, self.overlay))[0]
        return self._put(event, seq, shown, target.message.seq)

    def _say(self, event: NewEvent, seq: int) -> StoredEvent:
        """What most sends are, as one mutation."""
        self.message_count += 1
        stored = brought(event, seq)
        key, message_id = self.conversation_id, event.event_id
        self._said.append(
            (
                "say",
                [
                    key,
                    bucket_of(seq),
                    seq,
                    message_id,
                    stored.sender_id,
                    stored.client_message_id,
                    stored.content,
                    stored.message_type,
                    stored.metadata,
                    event.sent_at,
                    stamp(self.revision, "put"),
                ],
            )
        )
        self.overlay.messages[message_id] = Bare(stored, None)
        told = StoredEvent(key, seq, message_id, event.kind, event.actor_id, event.sent_at, b"", stored)
        self.told.append(told)
        return told

    def _next(self, event: NewEvent) -> int:
        self.last_seq += 1
        self.last_at = event.sent_at
        return self.last_seq

    def _put(
        self, event: NewEvent, seq: int, state: StoredMessage | None, target_seq: int | None = None
    ) -> StoredEvent:
        data = event.data(seq) if callable(event.data) else event.data
        key, event_id, kind, actor_id, at = (
            self.conversation_id,
            event.event_id,
            event.kind,
            event.actor_id,
            event.sent_at,
        )
        place, about = (key, bucket_of(seq), seq), (event.target_id, target_seq)
        self.write("put_event", *place, event_id, kind, actor_id, at, data, *about, key=3)
        stored = StoredEvent(key, seq, event_id, kind, actor_id, at, data, state)
        self.told.append(stored)
        return stored

    async def find(self, link: Link, message_id: str) -> Bare | None:
        """A message of this conversation as it will be."""
        known = self.overlay.messages.get(message_id)
        if known is not None:
            return known
        place = await place_of(link, message_id)
        if place is None or place[0] != self.conversation_id:
            return None
        found = await bare_at(link, *place)
        return found if found is not None and found.message.message_id == message_id else None

    def store(self, found: Bare, **changes: Any) -> Bare:
        """Let a message be different, which it was not before this transaction."""
        message = msgspec.structs.replace(found.message, **changes)
        changed = Bare(message, found.reply_to_seq)
        self.overlay.messages[message.message_id] = changed
        self.write(
            "set_message",
            self.conversation_id,
            bucket_of(message.seq),
            message.seq,
            message.client_message_id,
            message.content,
            message.metadata,
            message.e2ee,
            message.reply_to_message_id,
            list(message.mentions),
            message.mention_all,
            message.mention_here,
            message.pinned,
            message.attachment_count,
            message.reaction_count,
            message.reply_count,
            message.edited_at,
            message.edit_count,
            message.deleted_at,
            message.deleted_by,
            message.delete_reason,
            message.expires_at,
            key=3,
        )
        return changed

    def put_message(self, message: StoredMessage, reply_to_seq: int | None) -> None:
        """A new row of a message, as it was said, and where it is found."""
        key, seq = message.message_id, message.seq
        self.write(
            "put_message",
            self.conversation_id,
            bucket_of(seq),
            seq,
            key,
            message.sender_id,
            message.client_message_id,
            message.content,
            message.is_encrypted,
            message.message_type,
            message.metadata,
            message.e2ee,
            message.sent_at,
            message.sender_name,
            message.reply_to_message_id,
            reply_to_seq,
            message.thread_root_id,
            list(message.mentions),
            message.mention_all,
            message.mention_here,
            message.forwarded,
            message.silent,
            message.attachment_count,
            message.expires_at,
            key=3,
        )
        slot, shard = slot_of(key)
        self.write("put_index", slot, shard, key, self.conversation_id, seq, key=3)
        self.write("put_slot", 0, slot)

    def attach(self, message_id: str, files: Sequence[AttachedFile]) -> None:
        """Let a message carry these files."""
        self.overlay.attachments[message_id] = tuple(files)
        for position, file in enumerate(files):
            self.write(
                "put_attachment",
                message_id,
                position,
                file.file_id,
                file.file_name,
                file.content_type,
                file.file_size,
                file.is_encrypted,
                file.uploaded_at,
                file.has_thumbnail,
                file.available,
                key=2,
            )

    async def count_reply(self, link: Link, root_id: str, by: int) -> None:
        """Let a root have one reply more or less."""
        root = await self.find(link, root_id)
        if root is not None:
            self.store(root, reply_count=root.message.reply_count + by)

    def end(self) -> None:
        """Let there be no log any more."""
        self.ended = True

    def _bring(self, event: NewEvent, seq: int) -> StoredMessage:
        message = event.message
        assert message is not None
        self.message_count += 1
        stored = brought(event, seq)
        reply_to_seq = None if message.quote is None else message.quote.seq
        self.put_message(stored, reply_to_seq)
        bare = msgspec.structs.replace(stored, attachments=()) if stored.attachments else stored
        self.overlay.messages[event.event_id] = Bare(bare, reply_to_seq)
        if message.attachments:
            self.attach(event.event_id, message.attachments)
        if message.expires_at is not None:
            hour = message.expires_at // HOUR
            self.write("put_expiry", hour, message.expires_at, event.event_id)
            self.write("put_hour", 0, hour)
        if message.thread_root_id is not None:
            place = (message.thread_root_id, seq, self.conversation_id, event.event_id, message.sender_id)
            self.write("put_reply", *place)
        return stored


def is_plain(event: NewEvent) -> bool:
    """Whether it brings a message of a user and says nothing beside that."""
    message = event.message
    return (
        message is not None
        and event.kind == MESSAGE_KINDS[0]
        and event.data == b""
        and event.actor_id == message.sender_id is not None
        and message.client_message_id is not None
        and message.e2ee is None
        and not message.is_encrypted
        and message.is_plain
    )
