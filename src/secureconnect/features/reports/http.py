"""Routes of reports, for users and for server admins (docs/reference/http.md)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from secureconnect.edge.http.paging import Cursor, Limit, Listed, Paging
from secureconnect.edge.http.routing import Access, Call, Reply, Route
from secureconnect.edge.validation import Uuid
from secureconnect.features.reports import store
from secureconnect.features.reports.rules import Action, Status, Target
from secureconnect.features.reports.service import ReportService
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import Id, Time

__all__ = ["routes"]

_LIST = "reports"
_Words = Annotated[str, Meta(min_length=3, max_length=500)]


class CreateReport(Struct):
    """What is wrong with whom. `include_content` lets admins read a plaintext message as it is now."""

    target_type: Target
    target_id: Uuid
    reason: _Words
    include_content: bool = False


class ReportQuery(Struct):
    status: Literal["open", "resolved", "all"] = "open"
    cursor: Cursor | None = None
    limit: Limit = 50


class ResolveReport(Struct):
    """What is done about it, and why. A ban is for good; the note is its reason."""

    action: Action
    note: _Words


class Filed(Struct, frozen=True):
    """The report that was filed."""

    report_id: Id


class Report(Struct, frozen=True, kw_only=True):
    """A report. `content` is what the message said, when the reporter attached it."""

    report_id: Id
    reporter_id: Id
    target_type: Target
    target_id: Id
    reason: str
    content: str | None
    status: Status
    action: Action | None
    note: str | None
    resolved_by: Id | None
    created_at: Time
    resolved_at: Time | None


class OneReport(Struct, frozen=True):
    """A report after it was resolved."""

    report: Report


class ReportPage(Listed, frozen=True, kw_only=True):
    """Reports, newest first."""

    reports: list[Report]


def routes(service: ReportService, paging: Paging) -> list[Route]:
    """Filing, reading and resolving reports."""

    async def create(call: Call[CreateReport, None]) -> Reply:
        body = call.body
        report_id = await service.report(
            call.caller,
            call.context,
            body.target_type,
            body.target_id,
            body.reason,
            include_content=body.include_content,
        )
        return Reply(Filed(report_id), 201)

    async def listed(call: Call[None, ReportQuery]) -> Reply:
        wanted = call.query.status
        after = paging.after(call, _LIST, wanted)
        page = await service.page(
            call.caller,
            call.context,
            None if wanted == "all" else wanted,
            before=after[0] if after else None,
            limit=call.query.limit,
        )
        shown = [_render(report) for report in page.items]
        return Reply(ReportPage(reports=shown, **paging.end(call, page, _LIST, wanted)))

    async def resolve(call: Call[ResolveReport, None]) -> Reply:
        report = await service.resolve(
            call.caller, call.context, call.path["id"], call.body.action, call.body.note
        )
        return Reply(OneReport(_render(report)))

    return [
        Route(
            method="POST",
            path="/v1/reports",
            handler=create,
            summary="Tell the server's admins about a user, a message or a conversation",
            tag="reports",
            row="reports",
            body=CreateReport,
            returns={201: Filed},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN),
        ),
        Route(
            method="GET",
            path="/v1/admin/reports",
            handler=listed,
            summary="Reports, newest first",
            tag="admin",
            access=Access.ADMIN,
            row="admin_users",
            query=ReportQuery,
            returns={200: ReportPage},
        ),
        Route(
            method="POST",
            path="/v1/admin/reports/{id}/resolve",
            handler=resolve,
            summary="Close a report and act on it",
            tag="admin",
            access=Access.ADMIN,
            row="admin_users",
            body=ResolveReport,
            returns={200: OneReport},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.CONFLICT),
        ),
    ]


def _render(report: store.Report) -> Report:
    return Report(
        report_id=report.report_id,
        reporter_id=report.reporter_id,
        target_type=report.target_type,
        target_id=report.target_id,
        reason=report.reason,
        content=report.content,
        status=report.status,
        action=report.action,
        note=report.note,
        resolved_by=report.resolved_by,
        created_at=rfc3339(report.created_at),
        resolved_at=rfc3339(report.resolved_at) if report.resolved_at is not None else None,
    )
