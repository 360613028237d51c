"""Server administration (HTTP reference §17): the audit log and signing keys."""

from datetime import datetime

from secureconnect.client.http import Http, Json, part
from secureconnect.client.models.operations import AuditPage, AuditRecord, KeyRotation

__all__ = ["AdminApi"]


class AdminApi:
    """`client.admin`; only for users with the role `admin`."""

    def __init__(self, http: Http) -> None:
        self._http = http

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
