"""The audit trail for server admins (docs/reference/http.md, admin)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from secureconnect.edge.http.paging import Cursor, Listed, Paging
from secureconnect.edge.http.routing import Access, Call, Reply, Route
from secureconnect.edge.validation import Timestamp, Uuid
from secureconnect.features.audit.service import AuditService
from secureconnect.features.audit.store import AuditFilter, AuditRow
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.objects import Id, Time
from secureconnect.kit.pagination import Cursors

__all__ = ["routes"]

_Word = Annotated[str, Meta(min_length=1, max_length=64)]


class AuditQuery(Struct):
    action: _Word | None = None
    actor_id: Uuid | None = None
    target_type: _Word | None = None
    target_id: _Word | None = None
    result: Literal["success", "failure", "denied"] | None = None
    start_date: Timestamp | None = None
    end_date: Timestamp | None = None
    cursor: Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class AuditRecord(Struct, frozen=True, kw_only=True):
    """One record of the audit trail."""

    audit_id: Id
    timestamp: Time
    event: str
    result: str
    reason: str | None
    actor_id: Id | None
    actor_type: str
    session_id: Id | None
    target_type: str | None
    target_id: str | None
    ip: str | None
    user_agent: str | None
    request_id: str | None
    details: dict[str, str]


class AuditPage(Listed, frozen=True, kw_only=True):
    """Records, newest first."""

    audit_logs: list[AuditRecord]
    total_count: int


def routes(service: AuditService, cursors: Cursors) -> list[Route]:
    """Reading the trail."""
    paging = Paging(cursors)

    async def page(call: Call[None, AuditQuery]) -> Reply:
        query = call.query
        wanted = AuditFilter(
            query.action,
            query.actor_id,
            query.target_type,
            query.target_id,
            query.result,
            query.start_date,
            query.end_date,
        )
        place = ("audit", msgspec.json.encode(wanted).decode())
        after = paging.after(call, *place)
        found, total = await service.page(
            wanted, after=(after[0], after[1]) if after else None, limit=query.limit
        )
        service.viewed(call.caller, call.context, "audit-logs")
        return Reply(
            AuditPage(
                audit_logs=[_record(row) for row in found.items],
                total_count=total,
                **paging.end(call, found, *place),
            )
        )

    return [
        Route(
            method="GET",
            path="/v1/admin/audit-logs",
            handler=page,
            summary="The audit trail",
            tag="admin",
            access=Access.ADMIN,
            row="admin_audit",
            query=AuditQuery,
            returns={200: AuditPage},
        )
    ]


def _record(row: AuditRow) -> AuditRecord:
    values = row._asdict()
    values["timestamp"] = rfc3339(row.timestamp)
    values["details"] = msgspec.json.decode(row.details)
    return AuditRecord(**values)
