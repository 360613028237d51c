"""All logs in Cassandra, to be moved from or to it. What is put looks like the first commit of each log."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from secureconnect.infra.timeline.base import MESSAGE_KINDS, Reacted
from secureconnect.infra.timeline.cassandra_draft import HOUR, Draft
from secureconnect.infra.timeline.cassandra_head import HeadRow, head_row, put_head
from secureconnect.infra.timeline.cassandra_link import Cql, Link
from secureconnect.infra.timeline.cassandra_read import Reader
from secureconnect.infra.timeline.cassandra_redo import Projector, stamp
from secureconnect.infra.timeline.cassandra_rows import Bare, attachments_of, messages_at, reactions_of
from secureconnect.infra.timeline.cassandra_schema import TABLES, bucket_of
from secureconnect.infra.timeline.cassandra_threads import versions
from secureconnect.infra.timeline.moving import EventRow, LogHead, LogPage, MessageRow, SendRow

__all__ = ["CassandraLogs"]

_ROWS: Final = 500
_AT_ONCE: Final = 32
_UNBORN: Final = HeadRow(1, 0, 0, 0, 0, 0, "")
_EVER: Final = 2**31 - 1

_KEYS = Cql("SELECT", "timeline_heads", "SELECT conversation_id FROM timeline_heads")
_SENT = Cql(
    "SELECT",
    "send_dedup",
    "SELECT conversation_id, sender_id, client_message_id, message_id, seq, created_at FROM send_dedup",
)


class CassandraLogs:
    """`Logs` of one keyspace whose tables were made."""

    name = "Cassandra"

    def __init__(self, link: Link) -> None:
        self._link = link
        self._know_nothing()

    def _know_nothing(self) -> None:
        self._projector = Projector()
        self._reader = Reader(self._projector)

    async def heads(self) -> AsyncIterator[Sequence[LogHead]]:
        async for rows in self._link.pages(_KEYS, size=_ROWS):
            found: list[LogHead | None] = []
            for start in range(0, len(rows), _AT_ONCE):
                some = rows[start : start + _AT_ONCE]
                found += await asyncio.gather(*(self.head(row[0]) for row in some))
            yield [head for head in found if head is not None]

    async def head(self, conversation_id: str) -> LogHead | None:
        head = await head_row(self._link, conversation_id)
        if head is None or head.revision == 0:
            return None
        await self._projector.settle(self._link, conversation_id, head.revision)
        return LogHead(
            conversation_id, head.first_seq, head.last_seq, head.last_at, head.message_count, head.guard
        )

    async def page(self, head: LogHead, after_seq: int, limit: int) -> LogPage:
        link, key = self._link, head.conversation_id
        low = max(head.first_seq, after_seq + 1)
        rows = await self._reader.rows(link, key, low, head.last_seq, limit)
        found = await messages_at(link, key, [row[0] for row in rows if row[2] in MESSAGE_KINDS])
        messages = await asyncio.gather(*(self._message(head, found[seq]) for seq in sorted(found)))
        return LogPage(
            tuple(EventRow._make((*row[:5], row[5] or b"", row[6], _left(head, row[7]))) for row in rows),
            tuple(messages),
        )

    async def sends(self) -> AsyncIterator[Sequence[SendRow]]:
        async for rows in self._link.pages(_SENT, size=_ROWS):
            yield [SendRow(*row) for row in rows if row[5] is not None]

    async def put_page(self, conversation_id: str, page: LogPage) -> None:
        draft = Draft(conversation_id, _UNBORN)
        for event in page.events:
            *said, target_id, target_seq = event[1:]
            place = (conversation_id, bucket_of(event.seq), event.seq)
            draft.write("put_event", *place, *said, target_id, target_seq, key=3)
        for row in page.messages:
            _put_message(draft, row)
        await self._projector.write(self._link, draft.plan().mutations)

    async def put_sends(self, sends: Sequence[SendRow]) -> None:
        at = stamp(1, "put_dedup")
        await self._projector.write(self._link, [("put_dedup", [*each, at]) for each in sends])

    async def put_heads(self, heads: Sequence[LogHead]) -> None:
        for start in range(0, len(heads), _AT_ONCE):
            await asyncio.gather(
                *(
                    put_head(self._link, each.conversation_id, HeadRow(*each[1:], 1, ""))
                    for each in heads[start : start + _AT_ONCE]
                )
            )

    async def clear(self) -> None:
        for table in TABLES:
            await self._link.execute(f"TRUNCATE {table}")
        self._know_nothing()

    async def _message(self, head: LogHead, found: Bare) -> MessageRow:
        link, message = self._link, found.message
        key = message.message_id
        reactions = await reactions_of(link, key) if message.reaction_count else {}
        return MessageRow(
            message,
            _left(head, found.reply_to_seq),
            await attachments_of(link, key) if message.attachment_count else (),
            tuple(Reacted(*who, at) for who, at in sorted(reactions.items())),
            tuple(await versions(link, key, 0, _EVER)) if message.edit_count else (),
        )


def _left(head: LogHead, seq: int | None) -> int | None:
    """A place that retention has not taken."""
    return None if seq is None or seq < head.first_seq else seq


def _put_message(draft: Draft, row: MessageRow) -> None:
    message = row.message
    key = message.message_id
    draft.put_message(message, row.reply_to_seq)
    draft.store(Bare(message, row.reply_to_seq))
    draft.attach(key, row.attachments)
    for reaction in row.reactions:
        draft.write("put_reaction", key, reaction.user_id, reaction.emoji, reaction.reacted_at, key=3)
    for version in row.versions:
        said: tuple[Any, ...] = (version.content, version.metadata, version.e2ee, version.edited_at)
        draft.write("put_version", key, version.version, *said, key=2)
    if message.thread_root_id is not None:
        reply = (message.thread_root_id, message.seq, draft.conversation_id, key, message.sender_id)
        draft.write("put_reply", *reply)
    if message.expires_at is not None:
        hour = message.expires_at // HOUR
        draft.write("put_expiry", hour, message.expires_at, key)
        draft.write("put_hour", 0, hour)
