"""What became of each push."""

from typing import Literal

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    String,
    Table,
    Text,
    delete,
    select,
    update,
)

from secureconnect.features.push.api import PushKind
from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = [
    "Delivery",
    "DeliveryStatus",
    "acknowledge",
    "list_deliveries",
    "mark_delivery",
    "purge_deliveries",
    "queue_delivery",
]

DeliveryStatus = Literal["queued", "sent", "acked", "failed", "expired"]

push_deliveries = Table(
    "push_deliveries",
    METADATA,
    Column("delivery_id", String(36), primary_key=True),
    Column("user_id", String(36), nullable=False),
    Column("token_id", String(36), nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("push_deliveries_user_id_idx", "user_id", "delivery_id"),
    Index("push_deliveries_created_at_idx", "created_at"),
)

_c = push_deliveries.c


class Delivery(Struct, frozen=True):
    """One push to one device. Times in milliseconds since the epoch."""

    delivery_id: str
    user_id: str
    token_id: str
    kind: PushKind
    status: DeliveryStatus
    attempts: int
    last_error: str | None
    created_at: int
    updated_at: int


_COLUMNS = tuple(_c[name] for name in Delivery.__struct_fields__)


def queue_delivery(
    tx: WriteTx, delivery_id: str, user_id: str, token_id: str, kind: PushKind, now: int
) -> None:
    """A push waits; one that waited already says something else now."""
    tx.run(
        "INSERT INTO push_deliveries (delivery_id, user_id, token_id, kind, status, attempts, created_at,"
        " updated_at) VALUES (?, ?, ?, ?, 'queued', 0, ?, ?)"
        " ON CONFLICT (delivery_id) DO UPDATE SET status = 'queued', updated_at = excluded.updated_at",
        (delivery_id, user_id, token_id, kind, now, now),
    )


def mark_delivery(
    tx: WriteTx, delivery_id: str, status: DeliveryStatus, attempts: int, error: str | None, now: int
) -> None:
    """What became of it, unless its device said already that it has it."""
    tx.conn.execute(
        update(push_deliveries)
        .where(_c.delivery_id == delivery_id, _c.status != "acked")
        .values(status=status, attempts=attempts, last_error=error, updated_at=now)
    )


def acknowledge(tx: WriteTx, delivery_id: str, user_id: str, now: int) -> bool:
    """The device has it; False when it is none of this user's."""
    done = tx.conn.execute(
        update(push_deliveries)
        .where(_c.delivery_id == delivery_id, _c.user_id == user_id)
        .values(status="acked", updated_at=now)
    )
    return done.rowcount == 1


def list_deliveries(conn: Connection, user_id: str, *, before: str | None, limit: int) -> list[Delivery]:
    """A user's, newest first, behind the id `before`."""
    query = select(*_COLUMNS).where(_c.user_id == user_id)
    if before is not None:
        query = query.where(_c.delivery_id < before)
    return [Delivery(*row) for row in conn.execute(query.order_by(_c.delivery_id.desc()).limit(limit))]


def purge_deliveries(tx: WriteTx, before: int, limit: int) -> int:
    """Forget at most `limit` deliveries from before that time (ms); returns how many."""
    old = list(tx.conn.scalars(select(_c.delivery_id).where(_c.created_at < before).limit(limit)))
    if old:
        tx.conn.execute(delete(push_deliveries).where(_c.delivery_id.in_(old)))
    return len(old)
