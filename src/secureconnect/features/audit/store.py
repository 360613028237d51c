"""The table `audit_logs`: appended to and, after the retention time, deleted from; never changed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    or_,
    select,
)

from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = ["AuditFilter", "AuditRow", "append", "count", "page", "purge"]

audit_logs = Table(
    "audit_logs",
    METADATA,
    Column("audit_id", String(36), primary_key=True),
    Column("timestamp", BigInteger, nullable=False),
    Column("event", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("reason", Text),
    Column("actor_id", String(36)),
    Column("actor_type", Text, nullable=False),
    Column("session_id", String(36)),
    Column("target_type", Text),
    Column("target_id", Text),
    Column("ip", Text),
    Column("user_agent", Text),
    Column("request_id", Text),
    Column("details", Text, nullable=False),
    Index("audit_logs_timestamp_idx", "timestamp", "audit_id"),
    Index("audit_logs_actor_id_idx", "actor_id", "timestamp"),
)


class AuditRow(NamedTuple):
    """One record as stored; `timestamp` in ms, `details` as JSON text."""

    audit_id: str
    timestamp: int
    event: str
    result: str
    reason: str | None
    actor_id: str | None
    actor_type: str
    session_id: str | None
    target_type: str | None
    target_id: str | None
    ip: str | None
    user_agent: str | None
    request_id: str | None
    details: str


class AuditFilter(msgspec.Struct, frozen=True):
    """What to look for; absent fields match everything. Dates in ms, both inclusive."""

    event: str | None = None
    actor_id: str | None = None
    target_type: str | None = None
    target_id: str | None = None
    result: str | None = None
    start: int | None = None
    end: int | None = None


def append(tx: WriteTx, rows: Sequence[AuditRow]) -> None:
    """Write records."""
    tx.conn.execute(insert(audit_logs), [row._asdict() for row in rows])


def page(
    conn: Connection, wanted: AuditFilter, *, after: tuple[int, str] | None, limit: int
) -> list[AuditRow]:
    """Records, newest first, after (timestamp, audit_id)."""
    c = audit_logs.c
    query = (
        select(audit_logs)
        .where(*_conditions(wanted))
        .order_by(c.timestamp.desc(), c.audit_id.desc())
        .limit(limit)
    )
    if after is not None:
        moment, audit_id = after
        query = query.where(or_(c.timestamp < moment, (c.timestamp == moment) & (c.audit_id < audit_id)))
    return [AuditRow(*row) for row in conn.execute(query)]


def count(conn: Connection, wanted: AuditFilter) -> int:
    """How many records match."""
    query = select(func.count()).select_from(audit_logs).where(*_conditions(wanted))
    return int(conn.execute(query).scalar_one())


def purge(tx: WriteTx, before: int, limit: int) -> int:
    """Delete at most `limit` records older than `before`; returns how many."""
    old = select(audit_logs.c.audit_id).where(audit_logs.c.timestamp < before).limit(limit)
    return tx.conn.execute(delete(audit_logs).where(audit_logs.c.audit_id.in_(old))).rowcount


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    c = audit_logs.c
    equal: list[tuple[Any, str | None]] = [
        (c.event, wanted.event),
        (c.actor_id, wanted.actor_id),
        (c.target_type, wanted.target_type),
        (c.target_id, wanted.target_id),
        (c.result, wanted.result),
    ]
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal if value is not None]
    if wanted.start is not None:
        conditions.append(c.timestamp >= wanted.start)
    if wanted.end is not None:
        conditions.append(c.timestamp <= wanted.end)
    return conditions
