"""The table `reports` and every query on it."""

from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Index, String, Table, Text, insert, select, update

from secureconnect.features.reports.rules import Action, Status, Target
from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = ["Report", "add", "find", "page", "reports", "resolve"]

reports = Table(
    "reports",
    METADATA,
    Column("report_id", String(36), primary_key=True),
    Column("reporter_id", String(36), nullable=False),
    Column("target_type", Text, nullable=False),
    Column("target_id", String(36), nullable=False),
    Column("reason", Text, nullable=False),
    Column("content", Text),
    Column("status", Text, nullable=False),
    Column("resolved_by", String(36)),
    Column("action", Text),
    Column("note", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("resolved_at", BigInteger),
    Index("reports_status_idx", "status", "report_id"),
)
_r = reports.c


class Report(msgspec.Struct, frozen=True):
    """A report. `content` is what the message said, when the reporter attached it. Times in milliseconds.

    Ids grow with time (UUIDv7).
    """

    report_id: str
    reporter_id: str
    target_type: Target
    target_id: str
    reason: str
    content: str | None
    status: Status
    resolved_by: str | None
    action: Action | None
    note: str | None
    created_at: int
    resolved_at: int | None


def add(tx: WriteTx, report: Report) -> None:
    """Store a new report."""
    tx.conn.execute(insert(reports).values(msgspec.structs.asdict(report)))


def find(conn: Connection, report_id: str) -> Report | None:
    """A report by id."""
    row = conn.execute(select(reports).where(_r.report_id == report_id)).first()
    return Report(*row) if row is not None else None


def page(conn: Connection, status: Status | None, *, before: str | None, limit: int) -> list[Report]:
    """Reports of this status (None: of any), newest first, with ids below `before`."""
    query = select(reports).order_by(_r.report_id.desc()).limit(limit)
    if status is not None:
        query = query.where(_r.status == status)
    if before is not None:
        query = query.where(_r.report_id < before)
    return [Report(*row) for row in conn.execute(query)]


def resolve(tx: WriteTx, report_id: str, values: dict[str, Any]) -> None:
    """Note what was done."""
    tx.conn.execute(update(reports).where(_r.report_id == report_id).values(values))
