"""Removing the old start of a log in Cassandra, and logs that exist for nobody any more."""

from typing import Final, NamedTuple

import msgspec

from secureconnect.infra.timeline.base import MESSAGE_KINDS, StoredMessage, Trimmed
from secureconnect.infra.timeline.cassandra_draft import Draft
from secureconnect.infra.timeline.cassandra_head import head_row
from secureconnect.infra.timeline.cassandra_link import Link
from secureconnect.infra.timeline.cassandra_read import Reader
from secureconnect.infra.timeline.cassandra_rows import messages_at
from secureconnect.infra.timeline.cassandra_schema import BUCKET, bucket_of, slot_of
from secureconnect.infra.timeline.cassandra_threads import versions
from secureconnect.infra.timeline.tombstones import tombstone
from secureconnect.kit.events import MessageEdited

__all__ = ["Old", "drop", "look", "trim"]

_PAGE: Final = 1000
_EVERY: Final = 2**31 - 1


class Old(NamedTuple):
    """A stretch of old events, its measure, and the messages that it brought."""

    trimmed: Trimmed
    messages: tuple[StoredMessage, ...]


async def look(
    link: Link, reader: Reader, conversation_id: str, before: int, after_seq: int, limit: int
) -> Old:
    """See `Timeline.stale_in`."""
    head = await head_row(link, conversation_id)
    last_seq, events, size = after_seq, 0, 0
    places: list[int] = []
    ids: list[str] = []
    low = 1 if head is None else max(head.first_seq, after_seq + 1)
    rows = [] if head is None else await reader.rows(link, conversation_id, low, head.last_seq, limit)
    for row in rows:
        if row[4] >= before:
            break
        last_seq, events, size = row[0], events + 1, size + len(row[5] or b"")
        if row[2] in MESSAGE_KINDS:
            places.append(row[0])
            ids.append(row[1])
    found = [one.message for one in (await messages_at(link, conversation_id, places)).values()]
    for message in found:
        size += _size(message.content, message.metadata, message.e2ee)
        if message.edit_count:
            for earlier in await versions(link, message.message_id, 0, _EVERY):
                size += _size(earlier.content, earlier.metadata, earlier.e2ee)
    files = sum(message.attachment_count for message in found)
    return Old(Trimmed(conversation_id, events, last_seq, tuple(ids), files, size), tuple(found))


async def trim(link: Link, reader: Reader, draft: Draft, before: int, limit: int) -> Trimmed:
    """See `Timeline.trim_in`."""
    old = await look(link, reader, draft.conversation_id, before, 0, limit)
    if old.trimmed.events:
        await _empty_later_edits(link, reader, draft, old)
        drop(draft, old)
    return old.trimmed


def drop(draft: Draft, old: Old) -> None:
    """Remove a stretch."""
    key, last_seq = draft.conversation_id, old.trimmed.last_seq
    for bucket in range(bucket_of(draft.first_seq), bucket_of(last_seq) + 1):
        upto = min(last_seq, (bucket + 1) * BUCKET - 1)
        draft.write("del_events", key, bucket, upto)
        draft.write("del_messages", key, bucket, upto)
    for message_id in old.trimmed.message_ids:
        draft.write("del_index", *slot_of(message_id), message_id)
        for name in ("del_attachments", "del_reactions", "del_versions", "del_replies"):
            draft.write(name, message_id)
    draft.first_seq = last_seq + 1
    draft.message_count -= len(old.trimmed.message_ids)


async def _empty_later_edits(link: Link, reader: Reader, draft: Draft, old: Old) -> None:
    """Let edits above the stretch of messages in it stand on their own.

    What such an event shows is rendered from its message, so it gets data now that there will be none. The
    last edit of each message is known, and with it where to stop looking.
    """
    edited = {message.message_id: message for message in old.messages if message.edit_count}
    until = max((message.edited_at or 0 for message in edited.values()), default=0)
    seq = old.trimmed.last_seq
    while edited:
        rows = await reader.rows(link, draft.conversation_id, seq + 1, draft.last_seq, _PAGE)
        for row in rows:
            if row[2] == MessageEdited.kind and row[6] in edited:
                data = _tombstone(edited[row[6]])
                draft.write("set_event_data", draft.conversation_id, bucket_of(row[0]), row[0], data, key=3)
        if len(rows) < _PAGE or rows[-1][4] > until:
            return
        seq = rows[-1][0]


def _tombstone(message: StoredMessage) -> bytes:
    return tombstone(
        message.message_id,
        message.conversation_id,
        message.seq,
        message.sender_id,
        message.is_encrypted,
        message.message_type,
        message.thread_root_id,
        message.sent_at,
    )


def _size(content: str, metadata: dict[str, str], e2ee: bytes | None) -> int:
    encoded = msgspec.json.encode(metadata) if metadata else b"{}"
    return len(content.encode()) + len(encoded) + len(e2ee or b"")
