"""Reading threads, versions, reactions and expiries from the relational store."""

from sqlalchemy import Connection, func, or_, select, tuple_

from secureconnect.infra.timeline import tables
from secureconnect.infra.timeline.base import Reacted, StoredMessage, Version
from secureconnect.infra.timeline.relational_details import with_details
from secureconnect.infra.timeline.relational_rows import MESSAGE_COLUMNS, metadata_of, stored_message

__all__ = ["expired", "reactions", "thread", "thread_senders", "thread_unread", "versions"]

_t, _m, _v, _r = tables.thread_index.c, tables.messages.c, tables.versions.c, tables.reactions.c

_replies = tables.thread_index.join(tables.messages, _m.message_id == _t.message_id)


def thread(
    conn: Connection, root_id: str, after_seq: int, limit: int, viewer_id: str | None
) -> list[StoredMessage]:
    """See `Timeline.thread`."""
    rows = conn.execute(
        select(*MESSAGE_COLUMNS)
        .select_from(_replies)
        .where(_t.thread_root_id == root_id, _t.seq > after_seq)
        .order_by(_t.seq)
        .limit(limit)
    )
    return with_details(conn, [stored_message(row) for row in rows], viewer_id)


def thread_senders(conn: Connection, root_id: str) -> list[str]:
    """See `Timeline.thread_senders`."""
    return list(
        conn.scalars(
            select(_t.sender_id)
            .where(_t.thread_root_id == root_id, _t.sender_id.is_not(None))
            .group_by(_t.sender_id)
            .order_by(func.min(_t.seq))
        )
    )


def thread_unread(conn: Connection, root_id: str, user_id: str, after_seq: int, cap: int) -> int:
    """See `Timeline.thread_unread`."""
    above = (
        select(_t.seq)
        .select_from(_replies)
        .where(
            _t.thread_root_id == root_id,
            _t.seq > after_seq,
            or_(_t.sender_id.is_(None), _t.sender_id != user_id),
            _m.deleted_at.is_(None),
        )
        .limit(cap)
        .subquery()
    )
    return int(conn.scalar(select(func.count()).select_from(above)) or 0)


def versions(conn: Connection, message_id: str, after: int, limit: int) -> list[Version]:
    """See `Timeline.versions`."""
    rows = conn.execute(
        select(_v.version, _v.content, _v.metadata, _v.e2ee, _v.edited_at)
        .where(_v.message_id == message_id, _v.version > after)
        .order_by(_v.version)
        .limit(limit)
    )
    return [Version(row[0], row[1], metadata_of(row[2]), row[3], row[4]) for row in rows]


def reactions(
    conn: Connection, message_id: str, emoji: str | None, after: Reacted | None, limit: int
) -> list[Reacted]:
    """See `Timeline.reactions`."""
    query = select(_r.user_id, _r.emoji, _r.reacted_at).where(_r.message_id == message_id)
    if emoji is not None:
        query = query.where(_r.emoji == emoji)
    if after is not None:
        place = tuple_(_r.reacted_at, _r.user_id, _r.emoji)
        query = query.where(place > (after.reacted_at, after.user_id, after.emoji))
    rows = conn.execute(query.order_by(_r.reacted_at, _r.user_id, _r.emoji).limit(limit))
    return [Reacted(*row) for row in rows]


def expired(conn: Connection, now: int, limit: int) -> list[StoredMessage]:
    """See `Timeline.expired`."""
    rows = conn.execute(
        select(*MESSAGE_COLUMNS).where(_m.expires_at <= now).order_by(_m.expires_at).limit(limit)
    )
    return with_details(conn, [stored_message(row) for row in rows], None)
