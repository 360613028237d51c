"""What a transaction does to one log before it commits: the events to come and the messages as they will
be."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from secureconnect.infra.timeline.base import (
    AttachedFile,
    NewEvent,
    NewMessage,
    StoredEvent,
    StoredMessage,
    brought,
)
from secureconnect.infra.timeline.cassandra_head import HeadRow
from secureconnect.infra.timeline.cassandra_intents import Plan
from secureconnect.infra.timeline.cassandra_link import Cql, Link
from secureconnect.infra.timeline.cassandra_redo import stamp
from secureconnect.infra.timeline.cassandra_rows import Bare, Overlay, bare_at, complete, place_of, quotes_of
from secureconnect.infra.timeline.cassandra_schema import bucket_of, slot_of

__all__ = ["HOUR", "Draft"]

HOUR: Final = 3_600_000

_SENT = Cql(
    "SELECT",
    "send_dedup",
    "SELECT seq FROM send_dedup WHERE conversation_id = ? AND sender_id = ? AND client_message_id = ?",
)


class Draft:
    """Changes of one conversation whose claim is held. Nothing of it is visible until its plan is carried
    out."""

    def __init__(self, conversation_id: str, base: HeadRow) -> None:
        self.conversation_id = conversation_id
        self.base = base
        self.revision = base.revision + 1
        self.restart()

    def restart(self) -> None:
        """Forget every change: the transaction runs again."""
        base = self.base
        self.first_seq, self.last_seq, self.last_at = base.first_seq, base.last_seq, base.last_at
        self.message_count, self.guard = base.message_count, base.guard
        self.overlay = Overlay()
        self.told: list[StoredEvent] = []
        self.sent: dict[tuple[str | None, str | None], int] = {}
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
        return bool(self._writes) or self.guard != self.base.guard or self.base.revision == 0

    def plan(self, kind: str | None = None, claim: str = "") -> Plan:
        """The commit, called `kind` or as its first event is; `claim` is on the head after it."""
        mutations: list[tuple[str, list[Any]]] = []
        for name, params in self._writes.values():
            at = stamp(self.revision, name)
            if name == "put_hour":
                mutations.append((name, list(params)))
            elif name.startswith("del"):
                mutations.append((name, [at, *params]))
            else:
                mutations.append((name, [*params, at]))
        to = HeadRow(
            self.first_seq,
            self.last_seq,
            self.last_at,
            self.message_count,
            self.guard,
            self.revision,
            claim,
        )
        if kind is None:
            kind = self.told[0].kind if self.told else "change"
        ids = tuple(event.event_id for event in self.told)
        return Plan(self.conversation_id, self.base, to, mutations, ids, kind)

    async def earlier(self, link: Link, message: NewMessage) -> int | None:
        """The seq of an earlier send with the same client_message_id."""
        return (await self.earlier_of_each(link, [message]))[0]

    async def earlier_of_each(self, link: Link, messages: Sequence[NewMessage]) -> list[int | None]:
        """The same of several."""
        keys = [(message.sender_id, message.client_message_id) for message in messages]
        unknown = [key for key in keys if None not in key and key not in self.sent]
        rows = await link.row_of_each(_SENT, [(self.conversation_id, *key) for key in unknown])
        stored = {key: row[0] for key, row in zip(unknown, rows, strict=True) if row is not None}
        return [self.sent.get(key, stored.get(key)) for key in keys]

    async def append(self, link: Link, event: NewEvent) -> StoredEvent:
        """Put an event at the next place."""
        self.last_seq = seq = self.last_seq + 1
        self.last_at = event.sent_at
        data = event.data(seq) if callable(event.data) else event.data
        message, target, target_seq = event.message, None, None
        if message is not None:
            self.message_count += 1
            state: StoredMessage | None = await self._bring(link, event, message, seq)
        else:
            state = None
            if event.target_id is not None:
                target = await self.find(link, event.target_id)
                if target is not None:
                    target_seq = target.message.seq
                    state = (await complete(link, [target], None, self.overlay))[0]
        self.write(
            "put_event",
            self.conversation_id,
            bucket_of(seq),
            seq,
            event.event_id,
            event.kind,
            event.actor_id,
            event.sent_at,
            data,
            event.target_id,
            target_seq,
            key=3,
        )
        stored = StoredEvent(
            self.conversation_id, seq, event.event_id, event.kind, event.actor_id, event.sent_at, data, state
        )
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

    def put_message(self, message: StoredMessage, reply_to_seq: int | None, *, plain: bool = False) -> None:
        """A new row of a message, as it was said, and where it is found. `plain`: it has nothing but what
        every message has."""
        key, seq = message.message_id, message.seq
        said = (
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
        )
        if plain:
            self.write("put_message", *said, key=3)
        else:
            self.write(
                "put_rich_message",
                *said,
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

    async def _bring(self, link: Link, event: NewEvent, message: NewMessage, seq: int) -> StoredMessage:
        quote, root_id = message.quote, message.thread_root_id
        reply_to = None if quote is None else quote.message_id
        reply_to_seq = None if quote is None else quote.seq
        stored = brought(event, seq)
        self.put_message(stored, reply_to_seq, plain=message.is_plain)
        if message.client_message_id is not None and message.sender_id is not None:
            key = (message.sender_id, message.client_message_id)
            self.sent[key] = seq
            self.write("put_dedup", self.conversation_id, *key, event.event_id, seq, event.sent_at, key=3)
        bare = Bare(
            msgspec.structs.replace(stored, attachments=()) if stored.attachments else stored, reply_to_seq
        )
        self.overlay.messages[event.event_id] = bare
        if message.attachments:
            self.attach(event.event_id, message.attachments)
        if message.expires_at is not None:
            hour = message.expires_at // HOUR
            self.write("put_expiry", hour, message.expires_at, event.event_id)
            self.write("put_hour", 0, hour)
        if root_id is not None:
            self.write("put_reply", root_id, seq, self.conversation_id, event.event_id, message.sender_id)
            await self.count_reply(link, root_id, 1)
        if reply_to is None:
            return stored
        # It may have been edited or deleted since the sender saw it, in an event before this one.
        quotes = await quotes_of(link, [bare], self.overlay)
        return msgspec.structs.replace(stored, quote=quotes.get(reply_to))
