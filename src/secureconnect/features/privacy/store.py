"""The table `exports` and every query on it."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from secureconnect.features.privacy.rules import Export, ExportStatus
from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = ["add", "change", "exports", "find", "latest", "of_user", "over", "purge", "remove"]

exports = Table(
    "exports",
    METADATA,
    Column("export_id", String(36), primary_key=True),
    Column("user_id", String(36), nullable=False),
    Column("status", Text, nullable=False),
    Column("object_key", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Index("exports_user_id_idx", "user_id", "created_at"),
)
_x = exports.c
_COLUMNS = tuple(_x[name] for name in Export.__struct_fields__)


def add(tx: WriteTx, export: Export) -> None:
    """Store a new export."""
    tx.conn.execute(insert(exports).values(msgspec.structs.asdict(export)))


def find(conn: Connection, export_id: str) -> Export | None:
    """One export."""
    row = conn.execute(select(*_COLUMNS).where(_x.export_id == export_id)).first()
    return Export(*row) if row is not None else None


def latest(conn: Connection, user_id: str) -> Export | None:
    """The user's latest export that did not fail."""
    query = select(*_COLUMNS).where(_x.user_id == user_id, _x.status != "failed")
    row = conn.execute(query.order_by(_x.created_at.desc()).limit(1)).first()
    return Export(*row) if row is not None else None


def of_user(conn: Connection, user_id: str) -> list[Export]:
    """All exports of a user; one a day, and none older than a month."""
    return [Export(*row) for row in conn.execute(select(*_COLUMNS).where(_x.user_id == user_id))]


def change(
    tx: WriteTx, export_id: str, status: ExportStatus, *, object_key: str | None, expires_at: int | None
) -> bool:
    """Note what became of an export; False when it is gone."""
    values: dict[str, Any] = {"status": status, "object_key": object_key, "expires_at": expires_at}
    return tx.conn.execute(update(exports).where(_x.export_id == export_id).values(values)).rowcount == 1


def over(conn: Connection, now: int, limit: int) -> list[Export]:
    """Exports whose time is over and whose object was not removed yet."""
    query = select(*_COLUMNS).where(_x.status == "ready", _x.expires_at <= now).limit(limit)
    return [Export(*row) for row in conn.execute(query)]


def purge(tx: WriteTx, before: int, limit: int) -> int:
    """Forget at most `limit` exports without an object asked for before that time; returns how many."""
    old = (
        select(_x.export_id).where(_x.created_at < before, _x.status.in_(("expired", "failed"))).limit(limit)
    )
    return tx.conn.execute(delete(exports).where(_x.export_id.in_(old))).rowcount


def remove(tx: WriteTx, export_ids: Sequence[str]) -> int:
    """Forget these exports; returns how many there were."""
    return tx.conn.execute(delete(exports).where(_x.export_id.in_(export_ids))).rowcount
