"""Removing the old start of a log, and counting what there is.

Only a stretch from the first event on is ever removed, so the seqs that stay are without a gap
(invariant I1). An event above that stretch may be about a message in it: such an edit shows a message of
which nothing is left.
"""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, select, update

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline import tables
from secureconnect.infra.timeline.base import MESSAGE_KINDS, Trimmed
from secureconnect.infra.timeline.tombstones import tombstone
from secureconnect.kit.events import MessageEdited

__all__ = ["count_messages", "stale", "trim"]

_e, _m, _h = tables.events.c, tables.messages.c, tables.heads.c
_PAGE: Final = 1000  # events looked at for later edits of what is removed
_CHUNK: Final = 500

_MESSAGE_SIZES = select(_m.message_id, _m.content, _m.metadata, _m.e2ee, _m.edit_count, _m.edited_at).where(
    _m.message_id.in_(bindparam("ids", expanding=True))
)
_v, _a = tables.versions.c, tables.attachments.c
_VERSION_SIZES = select(_v.content, _v.metadata, _v.e2ee).where(
    _v.message_id.in_(bindparam("ids", expanding=True))
)
_ATTACHED = (
    select(func.count())
    .select_from(tables.attachments)
    .where(_a.message_id.in_(bindparam("ids", expanding=True)))
)


class _Old(NamedTuple):
    """A stretch of old events: its measure, and those of its messages that were edited, with the time of
    the last edit."""

    trimmed: Trimmed
    edited: dict[str, int]


def count_messages(conn: Connection) -> int:
    """See `Timeline.count_messages`."""
    return int(conn.execute(select(func.coalesce(func.sum(_h.message_count), 0))).scalar_one())


def stale(conn: Connection, conversation_id: str, before: int, after_seq: int, limit: int) -> Trimmed:
    """See `Timeline.stale_in`."""
    return _look(conn, conversation_id, before, after_seq, limit).trimmed


def trim(tx: WriteTx, conversation_id: str, before: int, limit: int) -> Trimmed:
    """See `Timeline.trim_in`."""
    old = _look(tx.conn, conversation_id, before, 0, limit)
    trimmed = old.trimmed
    if not trimmed.events:
        return trimmed
    _empty_later_edits(tx, conversation_id, trimmed.last_seq, old.edited)
    for ids in _chunks(trimmed.message_ids):
        for table in (tables.attachments, tables.reactions, tables.versions, tables.messages):
            tx.conn.execute(delete(table).where(table.c.message_id.in_(ids)))
        tx.conn.execute(delete(tables.thread_index).where(tables.thread_index.c.thread_root_id.in_(ids)))
    tx.conn.execute(
        delete(tables.events).where(_e.conversation_id == conversation_id, _e.seq <= trimmed.last_seq)
    )
    tx.conn.execute(
        update(tables.heads)
        .where(_h.conversation_id == conversation_id)
        .values(first_seq=trimmed.last_seq + 1, message_count=_h.message_count - len(trimmed.message_ids))
    )
    return trimmed


def _look(conn: Connection, conversation_id: str, before: int, after_seq: int, limit: int) -> _Old:
    rows = conn.execute(
        select(_e.seq, _e.event_id, _e.kind, _e.sent_at, func.length(_e.data))
        .where(_e.conversation_id == conversation_id, _e.seq > after_seq)
        .order_by(_e.seq)
        .limit(limit)
    )
    last_seq, events, size = after_seq, 0, 0
    ids: list[str] = []
    for seq, event_id, kind, sent_at, length in rows:
        if sent_at >= before:
            break
        last_seq, events, size = seq, events + 1, size + length
        if kind in MESSAGE_KINDS:
            ids.append(event_id)
    files, edited = 0, {}
    for chunk in _chunks(ids):
        for message_id, content, metadata, e2ee, edit_count, edited_at in conn.execute(
            _MESSAGE_SIZES, {"ids": chunk}
        ):
            size += _size(content, metadata, e2ee)
            if edit_count:
                edited[message_id] = edited_at
        files += int(conn.execute(_ATTACHED, {"ids": chunk}).scalar_one())
    for chunk in _chunks(list(edited)):
        size += sum(_size(*row) for row in conn.execute(_VERSION_SIZES, {"ids": chunk}))
    return _Old(Trimmed(conversation_id, events, last_seq, tuple(ids), files, size), edited)


def _size(content: str, metadata: str, e2ee: bytes | None) -> int:
    return len(content.encode()) + len(metadata.encode()) + len(e2ee or b"")


def _empty_later_edits(tx: WriteTx, conversation_id: str, last_seq: int, edited: dict[str, int]) -> None:
    """Let edits above `last_seq` of messages that go stand on their own.

    What such an event shows is rendered from its message, so it gets data now that there will be none. The
    last edit of each message is known, and with it where to stop looking.
    """
    seq, until = last_seq, max(edited.values(), default=0)
    while edited:
        rows = tx.conn.execute(
            select(_e.seq, _e.kind, _e.target_id, _e.sent_at)
            .where(_e.conversation_id == conversation_id, _e.seq > seq)
            .order_by(_e.seq)
            .limit(_PAGE)
        ).all()
        found = [(row[0], row[2]) for row in rows if row[1] == MessageEdited.kind and row[2] in edited]
        gone = _tombstones(tx.conn, {target_id for _, target_id in found})
        for place, target_id in found:
            tx.conn.execute(
                update(tables.events)
                .where(_e.conversation_id == conversation_id, _e.seq == place)
                .values(data=gone[target_id])
            )
        if len(rows) < _PAGE or rows[-1][3] > until:
            return
        seq = rows[-1][0]


def _tombstones(conn: Connection, message_ids: Collection[str]) -> dict[str, bytes]:
    """The data of edits of these messages once nothing is left of them."""
    query = select(
        _m.message_id,
        _m.conversation_id,
        _m.seq,
        _m.sender_id,
        _m.is_encrypted,
        _m.message_type,
        _m.thread_root_id,
        _m.sent_at,
    ).where(_m.message_id.in_(message_ids))
    return {row[0]: tombstone(*row) for row in conn.execute(query)} if message_ids else {}


def _chunks(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK)]
