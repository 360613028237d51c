"""Server administration (HTTP reference §17): figures, the audit log, signing keys, reports, retention."""

from datetime import datetime

from secureconnect.client.api.admin_users import AdminUsersApi
from secureconnect.client.api.request import path
from secureconnect.client.http import Http, Json, part
from secureconnect.client.models.administration import (
    ConversationEntry,
    QueueState,
    RetentionReport,
    ServerHealth,
    ServerStats,
)
from secureconnect.client.models.base import Page
from secureconnect.client.models.bots import Report
from secureconnect.client.models.operations import AuditPage, AuditRecord, KeyRotation

__all__ = ["AdminApi"]


class AdminApi:
    """`client.admin`; only for users with the role `admin`. Accounts are `client.admin.users`."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self.users = AdminUsersApi(http)

    async def stats(self) -> ServerStats:
        """The server in figures."""
        return await self._http.call("GET", "/v1/admin/stats", ServerStats)

    async def health(self) -> ServerHealth:
        """How the components stand, asked within the last 5 seconds."""
        return await self._http.call("GET", "/v1/admin/health", ServerHealth)

    async def queues(self) -> list[QueueState]:
        """What waits to be done."""
        return part(await self._http.call("GET", "/v1/admin/queues", Json), "queues", list[QueueState])

    async def conversations(
        self, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[ConversationEntry]:
        """All conversations, those made last first."""
        return await self._http.page(
            "/v1/admin/conversations", "conversations", ConversationEntry, cursor=cursor, limit=limit
        )

    async def run_retention(self, *, dry_run: bool = True) -> RetentionReport:
        """Remove events that are older than their conversations keep them, or say what would go."""
        body = {"dry_run": dry_run}
        return await self._http.call("POST", "/v1/admin/retention/run", RetentionReport, json=body, once=True)

    async def audit_logs(
        self,
        *,
        action: str | None = None,
        actor_id: str | None = None,
        target_type: str | None = None,
        target_id: str | None = None,
        result: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> AuditPage:
        """Who did what, newest first. Dates carry an offset."""
        query = {
            "action": action,
            "actor_id": actor_id,
            "target_type": target_type,
            "target_id": target_id,
            "result": result,
            "start_date": start_date,
            "end_date": end_date,
            "cursor": cursor,
            "limit": limit,
        }
        data = await self._http.call("GET", "/v1/admin/audit-logs", Json, query=query)
        return AuditPage(
            items=part(data, "audit_logs", list[AuditRecord]),
            next_cursor=part(data, "next_cursor", str | None),  # type: ignore[arg-type]
            has_more=part(data, "has_more", bool),
            total_count=part(data, "total_count", int),
        )

    async def rotate_keys(self) -> KeyRotation:
        """Sign new tokens with a new key.

        Raises:
            ReauthRequired: call `client.auth.reauthenticate` first.
        """
        return await self._http.call("POST", "/v1/admin/keys/rotate", KeyRotation, json={}, once=True)

    async def reports(
        self, status: str = "open", *, cursor: str | None = None, limit: int | None = None
    ) -> Page[Report]:
        """What users reported, newest first; `status` is open, resolved or all."""
        query = {"status": status}
        return await self._http.page(
            "/v1/admin/reports", "reports", Report, cursor=cursor, limit=limit, query=query
        )

    async def resolve_report(self, report_id: str, action: str, note: str) -> Report:
        """Close a report; `action` is dismiss, delete_message or ban_user, `note` says why.

        Raises:
            Conflict: it was resolved before, or the action does not fit what was reported.
        """
        route = path("/v1/admin/reports/{}/resolve", report_id)
        body = {"action": action, "note": note}
        return part(await self._http.call("POST", route, Json, json=body, once=True), "report", Report)
