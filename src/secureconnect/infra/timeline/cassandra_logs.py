"""All logs in Cassandra, to be moved from or to it. What is put looks like the first commit of each log.

Where they stand is in `decided_heads`, so the relational store is needed too.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from msgspec.structs import astuple
from sqlalchemy import delete, insert, select

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline.base import MESSAGE_KINDS, Reacted
from secureconnect.infra.timeline.cassandra_draft import HOUR, Draft
from secureconnect.infra.timeline.cassandra_head import head_row
from secureconnect.infra.timeline.cassandra_link import Link
from secureconnect.infra.timeline.cassandra_projection import Projector
from secureconnect.infra.timeline.cassandra_read import Reader
from secureconnect.infra.timeline.cassandra_rows import Bare, attachments_of, messages_at, reactions_of
from secureconnect.infra.timeline.cassandra_schema import TABLES, bucket_of
from secureconnect.infra.timeline.cassandra_threads import versions
from secureconnect.infra.timeline.decided_heads import HeadRow
from secureconnect.infra.timeline.decided_heads import heads as table
from secureconnect.infra.timeline.intents import Plan
from secureconnect.infra.timeline.moving import EventRow, LogHead, LogPage, MessageRow

__all__ = ["CassandraLogs"]

_ROWS: Final = 500
_UNBORN: Final = HeadRow(1, 0, 0, 0, 0, 0)
_EVER: Final = 2**31 - 1

_h = table.c
_HEADS = select(_h.conversation_id, _h.first_seq, _h.last_seq, _h.last_at, _h.message_count, _h.guard)


class CassandraLogs:
    """`Logs` of one keyspace whose tables were made, with nothing decided that is not in it."""

    name = "Cassandra"

    def __init__(self, database: Database, link: Link) -> None:
        self._database = database
        self._link = link
        self._projector = Projector()
        self._reader = Reader()

    async def heads(self) -> AsyncIterator[Sequence[LogHead]]:
        after = ""
        while found := await self._heads(_HEADS.where(_h.conversation_id > after)):
            yield found
            after = found[-1].conversation_id

    async def head(self, conversation_id: str) -> LogHead | None:
        found = await self._heads(_HEADS.where(_h.conversation_id == conversation_id))
        shown = await head_row(self._link, conversation_id)
        if not found or shown is None or found[0] != (conversation_id, *astuple(shown)[:-1]):
            return None
        return found[0]

    async def _heads(self, query: Any) -> list[LogHead]:
        limited = query.order_by(_h.conversation_id).limit(_ROWS)
        return await self._database.read(lambda conn: [LogHead(*row) for row in conn.execute(limited)])

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

    async def put_page(self, conversation_id: str, page: LogPage) -> None:
        draft = Draft(conversation_id, _UNBORN)
        for event in page.events:
            *said, target_id, target_seq = event[1:]
            place = (conversation_id, bucket_of(event.seq), event.seq)
            draft.write("put_event", *place, *said, target_id, target_seq, key=3)
        for row in page.messages:
            _put_message(draft, row)
        await self._projector.write(self._link, draft.plan().mutations)

    async def put_heads(self, heads: Sequence[LogHead]) -> None:
        rows = [{**head._asdict(), "revision": 1} for head in heads]
        plans = [Plan("", head.conversation_id, _UNBORN, HeadRow(*head[1:], 1), [], (), "") for head in heads]
        await self._projector.project(self._link, plans)

        def put(tx: WriteTx) -> None:
            tx.conn.execute(insert(table), rows)

        await self._database.write(put)

    async def clear(self) -> None:
        def forget(tx: WriteTx) -> None:
            tx.conn.execute(delete(table))

        await self._database.write(forget)
        for name in TABLES:
            await self._link.execute(f"TRUNCATE {name}")
        self._projector = Projector()

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
