"""Entries of inboxes."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    String,
    Table,
    Text,
    delete,
    func,
    select,
    text,
    tuple_,
    update,
)

from secureconnect.features.notifications.api import NoticeType
from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = [
    "Entry",
    "count_all",
    "count_unread",
    "find_entry",
    "list_entries",
    "mark_all_read",
    "mark_pushed",
    "mark_read",
    "purge",
    "put_entry",
    "read_upto",
    "remove_entry",
    "remove_user",
    "unread_in",
]

_FOLDED = "fold_key IS NOT NULL AND NOT is_read"
_PLACED = "conversation_id IS NOT NULL AND NOT is_read"
_UNREAD = "NOT is_read"

notifications = Table(
    "notifications",
    METADATA,
    Column("notification_id", String(36), primary_key=True),
    Column("user_id", String(36), nullable=False),
    Column("type", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("fold_key", Text),
    Column("conversation_id", String(36)),
    Column("seq", BigInteger),
    Column("count", Integer, nullable=False),
    Column("is_read", Boolean, nullable=False),
    Column("is_pushed", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("read_at", BigInteger),
    Index("notifications_user_id_idx", "user_id", "updated_at", "notification_id"),
    Index(
        "notifications_fold_key_key",
        "user_id",
        "fold_key",
        unique=True,
        sqlite_where=text(_FOLDED),
        postgresql_where=text(_FOLDED),
    ),
    Index(
        "notifications_conversation_id_idx",
        "user_id",
        "conversation_id",
        "seq",
        sqlite_where=text(_PLACED),
        postgresql_where=text(_PLACED),
    ),
    Index("notifications_updated_at_idx", "updated_at"),
    Index("notifications_unread_idx", "user_id", sqlite_where=text(_UNREAD), postgresql_where=text(_UNREAD)),
)

_n = notifications.c


class Entry(Struct, frozen=True):
    """One entry as stored. Times in milliseconds since the epoch."""

    notification_id: str
    user_id: str
    type: NoticeType
    title: str
    body: str
    data: str
    fold_key: str | None
    conversation_id: str | None
    seq: int | None
    count: int
    is_read: bool
    is_pushed: bool
    created_at: int
    updated_at: int
    read_at: int | None


_COLUMNS = tuple(_n[name] for name in Entry.__struct_fields__)


# Plain SQL on the driver: this runs once per message and member.
_PUT = (
    f"INSERT INTO notifications ({', '.join(Entry.__struct_fields__)})"  # noqa: S608 - names of our own
    f" VALUES ({', '.join('?' for _ in Entry.__struct_fields__)})"
)
_FOLD = (
    f"{_PUT} ON CONFLICT (user_id, fold_key) WHERE {_FOLDED} DO UPDATE SET title = excluded.title,"
    " body = excluded.body, data = excluded.data, seq = excluded.seq,"
    " count = notifications.count + excluded.count, updated_at = excluded.updated_at"
    " WHERE notifications.seq IS NULL OR excluded.seq IS NULL OR notifications.seq < excluded.seq"
    " RETURNING notification_id, count, is_pushed, created_at"
)
_TOLD = (
    "SELECT 1 FROM notifications WHERE user_id = ? AND conversation_id = ? AND seq = ? AND type = ?"  # noqa: S608
    f" AND {_PLACED}"
)


def put_entry(tx: WriteTx, entry: Entry) -> Entry | None:
    """Store an entry, joined to the unread one with its key if there is one; returns what is stored then.

    An entry of an event that was told before changes nothing and gives None.
    """
    values = msgspec.structs.astuple(entry)
    if entry.fold_key is not None:
        rows = tx.run(_FOLD, values)
        if not rows:
            return None
        notification_id, count, is_pushed, created_at = rows[0]
        if notification_id == entry.notification_id:
            return entry
        return msgspec.structs.replace(
            entry,
            notification_id=notification_id,
            count=count,
            is_pushed=bool(is_pushed),
            created_at=created_at,
        )
    if entry.seq is not None and tx.run(_TOLD, (entry.user_id, entry.conversation_id, entry.seq, entry.type)):
        return None
    tx.run(_PUT, values)
    return entry


def find_entry(conn: Connection, notification_id: str) -> Entry | None:
    """One entry."""
    row = conn.execute(select(*_COLUMNS).where(_n.notification_id == notification_id)).first()
    return Entry(*tuple(row)) if row is not None else None


def list_entries(
    conn: Connection,
    user_id: str,
    *,
    unread_only: bool,
    type_: str | None,
    after: tuple[int, str] | None,
    limit: int,
) -> list[Entry]:
    """Entries, the last changed first, behind (`updated_at`, id)."""
    query = select(*_COLUMNS).where(_n.user_id == user_id)
    if unread_only:
        query = query.where(_n.is_read.is_(False))
    if type_ is not None:
        query = query.where(_n.type == type_)
    if after is not None:
        query = query.where(tuple_(_n.updated_at, _n.notification_id) < after)
    rows = conn.execute(query.order_by(_n.updated_at.desc(), _n.notification_id.desc()).limit(limit))
    return [Entry(*tuple(row)) for row in rows]


def count_unread(conn: Connection, user_id: str) -> int:
    """Unread entries."""
    # As in the index.
    query = select(func.count()).where(_n.user_id == user_id, text(_UNREAD))
    return int(conn.scalar(query) or 0)


def unread_in(tx: WriteTx, user_id: str) -> int:
    """Unread entries, in a transaction."""
    rows = tx.run("SELECT count(*) FROM notifications WHERE user_id = ? AND NOT is_read", (user_id,))
    return int(rows[0][0])


def count_all(conn: Connection, user_id: str) -> int:
    """All entries."""
    return int(conn.scalar(select(func.count()).where(_n.user_id == user_id)) or 0)


def mark_read(tx: WriteTx, notification_id: str, now: int) -> None:
    """One entry was read."""
    _mark(tx, {"notification_id": notification_id}, now)


def mark_all_read(tx: WriteTx, user_id: str, now: int) -> int:
    """All entries were read; returns how many were not before."""
    return _mark(tx, {"user_id": user_id}, now)


def read_upto(tx: WriteTx, user_id: str, conversation_id: str, seq: int, now: int) -> int:
    """What was told of a conversation up to `seq` was read; returns how many entries were not before."""
    rows = tx.run(
        "SELECT notification_id FROM notifications WHERE user_id = ? AND conversation_id = ? AND seq <= ?"
        " AND conversation_id IS NOT NULL AND NOT is_read",
        (user_id, conversation_id, seq),
    )
    for (notification_id,) in rows:
        tx.run(
            "UPDATE notifications SET is_read = ?, read_at = ? WHERE notification_id = ?",
            (True, now, notification_id),
        )
    return len(rows)


def _mark(tx: WriteTx, which: Mapping[str, str], now: int) -> int:
    found = [_n[name] == value for name, value in which.items()]
    done = tx.conn.execute(
        update(notifications).where(*found, _n.is_read.is_(False)).values(is_read=True, read_at=now)
    )
    return int(done.rowcount)


def mark_pushed(tx: WriteTx, notification_id: str) -> None:
    """A push is on its way."""
    tx.run("UPDATE notifications SET is_pushed = ? WHERE notification_id = ?", (True, notification_id))


def remove_entry(tx: WriteTx, notification_id: str) -> None:
    """Forget one entry."""
    tx.conn.execute(delete(notifications).where(_n.notification_id == notification_id))


def remove_user(tx: WriteTx, user_id: str) -> int:
    """Forget a user's inbox; returns how many entries it had."""
    return int(tx.conn.execute(delete(notifications).where(_n.user_id == user_id)).rowcount)


def purge(tx: WriteTx, older_than: int, limit: int) -> int:
    """Forget at most `limit` entries that last changed before that time (ms); returns how many."""
    old = list(tx.conn.scalars(select(_n.notification_id).where(_n.updated_at < older_than).limit(limit)))
    if old:
        tx.conn.execute(delete(notifications).where(_n.notification_id.in_(old)))
    return len(old)
