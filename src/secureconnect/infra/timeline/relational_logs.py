"""All logs of a relational store, to be moved from or to it."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Table, delete, insert, select

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline import tables
from secureconnect.infra.timeline.base import MESSAGE_KINDS, AttachedFile, StoredMessage
from secureconnect.infra.timeline.moving import EventRow, LogHead, LogPage, MessageRow
from secureconnect.infra.timeline.relational_details import attachments_of
from secureconnect.infra.timeline.relational_rows import (
    MESSAGE_COLUMNS,
    MESSAGE_NAMES,
    metadata_text,
    stored_message,
)
from secureconnect.infra.timeline.relational_threads import reactions, versions

__all__ = ["RelationalLogs"]

_ROWS: Final = 1000
_ALL: Final = 2**31 - 1
_TABLES: Final = (
    tables.heads,
    tables.events,
    tables.messages,
    tables.attachments,
    tables.reactions,
    tables.versions,
    tables.thread_index,
)
_h, _e, _m = tables.heads.c, tables.events.c, tables.messages.c
_HEAD = select(_h.conversation_id, _h.first_seq, _h.last_seq, _h.last_at, _h.message_count, _h.guard)


class RelationalLogs:
    """`Logs` of the tables of `tables`."""

    name = "the database"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def heads(self) -> AsyncIterator[Sequence[LogHead]]:
        after = ""
        while True:
            query = _HEAD.where(_h.conversation_id > after).order_by(_h.conversation_id).limit(_ROWS)
            heads = [LogHead(*row) for row in await self._rows(query)]
            if not heads:
                return
            yield heads
            after = heads[-1].conversation_id

    async def head(self, conversation_id: str) -> LogHead | None:
        rows = await self._rows(_HEAD.where(_h.conversation_id == conversation_id))
        return LogHead(*rows[0]) if rows else None

    async def page(self, head: LogHead, after_seq: int, limit: int) -> LogPage:
        return await self._database.read(partial(_page, head, after_seq, limit))

    async def put_page(self, conversation_id: str, page: LogPage) -> None:
        await self._database.write(lambda tx: _put_page(conversation_id, page, tx))

    async def put_heads(self, heads: Sequence[LogHead]) -> None:
        await self._put(tables.heads, [each._asdict() for each in heads])

    async def clear(self) -> None:
        def work(tx: WriteTx) -> None:
            for table in _TABLES:
                tx.conn.execute(delete(table))

        await self._database.write(work)

    async def _rows(self, query: Any) -> list[tuple[Any, ...]]:
        return await self._database.read(lambda conn: [tuple(row) for row in conn.execute(query)])

    async def _put(self, table: Table, rows: list[dict[str, Any]]) -> None:
        if rows:
            await self._database.write(lambda tx: _insert(tx, table, rows))


def _page(head: LogHead, after_seq: int, limit: int, conn: Connection) -> LogPage:
    key = head.conversation_id
    asked = select(_e.seq, _e.event_id, _e.kind, _e.actor_id, _e.sent_at, _e.data, _e.target_id)
    asked = asked.where(_e.conversation_id == key, _e.seq > after_seq, _e.seq <= head.last_seq)
    events = [tuple(row) for row in conn.execute(asked.order_by(_e.seq).limit(limit))]
    brought = [row[1] for row in events if row[2] in MESSAGE_KINDS]
    found = select(*MESSAGE_COLUMNS).where(_m.message_id.in_(brought)).order_by(_m.seq)
    messages = [stored_message(row) for row in conn.execute(found)]
    pointed = {row[6] for row in events} | {one.reply_to_message_id for one in messages}
    seqs = _seqs(conn, key, [each for each in pointed if each is not None])
    places = {each: seq for each, seq in seqs.items() if seq >= head.first_seq}
    attached = attachments_of(conn, [one.message_id for one in messages if one.attachment_count])
    return LogPage(
        tuple(EventRow._make((*row, None if row[6] is None else places.get(row[6]))) for row in events),
        tuple(_row(conn, one, places, attached.get(one.message_id, ())) for one in messages),
    )


def _seqs(conn: Connection, conversation_id: str, message_ids: list[str]) -> dict[str, int]:
    there = select(_m.message_id, _m.seq)
    there = there.where(_m.message_id.in_(message_ids), _m.conversation_id == conversation_id)
    return {row[0]: row[1] for row in conn.execute(there)}


def _row(
    conn: Connection, message: StoredMessage, places: dict[str, int], attached: tuple[AttachedFile, ...]
) -> MessageRow:
    key, answered = message.message_id, message.reply_to_message_id
    reacted = reactions(conn, key, None, None, _ALL) if message.reaction_count else []
    return MessageRow(
        message,
        None if answered is None else places.get(answered),
        attached,
        tuple(sorted(reacted, key=lambda one: (one.user_id, one.emoji))),
        tuple(versions(conn, key, 0, _ALL)) if message.edit_count else (),
    )


def _put_page(conversation_id: str, page: LogPage, tx: WriteTx) -> None:
    gone = {row.message.seq for row in page.messages if row.message.deleted_at is not None}
    events = []
    for event in page.events:
        given = {"conversation_id": conversation_id, **event._asdict(), "uncounted": event.seq in gone}
        del given["target_seq"]
        events.append(given)
    _insert(tx, tables.events, events)
    _insert(tx, tables.messages, [_columns(row.message) for row in page.messages])
    rows = [(row.message, row) for row in page.messages]
    _insert(
        tx,
        tables.thread_index,
        [
            {
                "thread_root_id": one.thread_root_id,
                "seq": one.seq,
                "message_id": one.message_id,
                "sender_id": one.sender_id,
            }
            for one, _ in rows
            if one.thread_root_id is not None
        ],
    )
    _insert(
        tx,
        tables.attachments,
        [
            {"message_id": one.message_id, "position": position, **msgspec.structs.asdict(file)}
            for one, row in rows
            for position, file in enumerate(row.attachments)
        ],
    )
    _insert(
        tx,
        tables.reactions,
        [
            {"message_id": one.message_id, **msgspec.structs.asdict(reaction)}
            for one, row in rows
            for reaction in row.reactions
        ],
    )
    _insert(
        tx,
        tables.versions,
        [
            {
                "message_id": one.message_id,
                **msgspec.structs.asdict(version),
                "metadata": metadata_text(version.metadata),
            }
            for one, row in rows
            for version in row.versions
        ],
    )


def _columns(message: StoredMessage) -> dict[str, Any]:
    given = {name: getattr(message, name) for name in MESSAGE_NAMES}
    given["metadata"] = metadata_text(message.metadata)
    given["mentions"] = msgspec.json.encode(message.mentions).decode() if message.mentions else None
    return given


def _insert(tx: WriteTx, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        tx.conn.execute(insert(table), rows)
