"""Messages that wait for their time."""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    String,
    Table,
    Text,
    bindparam,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)

from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = [
    "ScheduledRecord",
    "add_scheduled",
    "change_scheduled",
    "claim_due",
    "count_pending",
    "find_due",
    "find_scheduled",
    "list_scheduled",
]

_PENDING = "status = 'pending'"

scheduled_messages = Table(
    "scheduled_messages",
    METADATA,
    Column("scheduled_id", String(36), primary_key=True),
    Column("author_id", String(36), nullable=False),
    Column("conversation_id", String(36), nullable=False),
    Column("body", Text, nullable=False),
    Column("send_at", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("failure_code", Text),
    Column("message_id", String(36)),
    Column("lease_until", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Index("scheduled_messages_author_id_idx", "author_id", "send_at"),
    Index(
        "scheduled_messages_send_at_idx",
        "send_at",
        sqlite_where=text(_PENDING),
        postgresql_where=text(_PENDING),
    ),
)

_s = scheduled_messages.c


class ScheduledRecord(Struct, frozen=True):
    """A message that waits, or waited. `body` is its send request as JSON; times in ms."""

    scheduled_id: str
    author_id: str
    conversation_id: str
    body: str
    send_at: int
    status: str
    failure_code: str | None
    message_id: str | None
    lease_until: int | None
    created_at: int


_COLUMNS = tuple(_s[name] for name in ScheduledRecord.__struct_fields__)


def add_scheduled(tx: WriteTx, record: ScheduledRecord) -> None:
    """Store a message that waits."""
    tx.conn.execute(
        insert(scheduled_messages).values(
            **{name: getattr(record, name) for name in ScheduledRecord.__struct_fields__}
        )
    )


def count_pending(conn: Connection, author_id: str) -> int:
    """How many messages of the author wait."""
    query = select(func.count()).where(_s.author_id == author_id, _s.status == "pending")
    return int(conn.scalar(query) or 0)


def find_scheduled(conn: Connection, scheduled_id: str) -> ScheduledRecord | None:
    """One of them, in any state."""
    row = conn.execute(select(*_COLUMNS).where(_s.scheduled_id == scheduled_id)).first()
    return ScheduledRecord(*tuple(row)) if row is not None else None


def list_scheduled(
    conn: Connection,
    author_id: str,
    *,
    conversation_id: str | None,
    status: str,
    after: tuple[int, str] | None,
    limit: int,
) -> list[ScheduledRecord]:
    """The author's, the next to go first, behind (`send_at`, id)."""
    query = select(*_COLUMNS).where(_s.author_id == author_id, _s.status == status)
    if conversation_id is not None:
        query = query.where(_s.conversation_id == conversation_id)
    if after is not None:
        query = query.where(tuple_(_s.send_at, _s.scheduled_id) > after)
    rows = conn.execute(query.order_by(_s.send_at, _s.scheduled_id).limit(limit))
    return [ScheduledRecord(*tuple(row)) for row in rows]


_DUE = (
    select(*_COLUMNS)
    .where(
        text(_PENDING),
        _s.send_at <= bindparam("now"),
        or_(_s.lease_until.is_(None), _s.lease_until <= bindparam("now")),
    )
    .order_by(_s.send_at)
    .limit(bindparam("most"))
)


def find_due(conn: Connection, now: int, limit: int) -> list[ScheduledRecord]:
    """What is due and nobody else works on."""
    rows = conn.execute(_DUE, {"now": now, "most": limit}).all()
    return [ScheduledRecord(*tuple(row)) for row in rows]


def claim_due(tx: WriteTx, now: int, until: int, limit: int) -> Sequence[ScheduledRecord]:
    """Take what is due and nobody else works on, until the time `until`."""
    found = find_due(tx.conn, now, limit)
    for record in found:
        change_scheduled(tx, record.scheduled_id, lease_until=until)
    return found


def change_scheduled(tx: WriteTx, scheduled_id: str, **values: str | int | None) -> None:
    """Give columns of one of them new values."""
    tx.conn.execute(update(scheduled_messages).where(_s.scheduled_id == scheduled_id).values(**values))
