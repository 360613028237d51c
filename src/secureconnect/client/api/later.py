"""Scheduled messages and drafts (HTTP reference §8, §9)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from secureconnect.client.api.messages import Metadata
from secureconnect.client.api.request import UNSET, Unset, given, path
from secureconnect.client.http import Http, Json, part
from secureconnect.client.models.base import Page
from secureconnect.client.models.threads import Draft, Scheduled

__all__ = ["DraftsApi", "ScheduledApi"]


class ScheduledApi:
    """`client.scheduled`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def create(
        self,
        conversation_id: str,
        content: str,
        send_at: datetime,
        *,
        metadata: Metadata | None = None,
        attachments: Sequence[str] = (),
        thread_root_id: str | None = None,
    ) -> Scheduled:
        """Send a message later; the server checks then again whether the caller may."""
        body = given(
            conversation_id=conversation_id,
            content=content,
            send_at=send_at,
            metadata=metadata or UNSET,
            attachments=list(attachments) or UNSET,
            thread_root_id=thread_root_id or UNSET,
        )
        return await self._http.call("POST", "/v1/messages/scheduled", Scheduled, json=body, once=True)

    async def list(
        self,
        *,
        conversation_id: str | None = None,
        status: str = "pending",
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[Scheduled]:
        """The caller's own, the next to go first."""
        return await self._http.page(
            "/v1/messages/scheduled",
            "scheduled",
            Scheduled,
            cursor=cursor,
            limit=limit,
            query={"conversation_id": conversation_id, "status": status},
        )

    async def update(
        self, scheduled_id: str, *, content: str | Unset = UNSET, send_at: datetime | Unset = UNSET
    ) -> Scheduled:
        """Say something else, or at another time."""
        body = given(content=content, send_at=send_at)
        return await self._http.call("PATCH", _one(scheduled_id), Scheduled, json=body)

    async def cancel(self, scheduled_id: str) -> Scheduled:
        """Do not send it."""
        return await self._http.call("DELETE", _one(scheduled_id), Scheduled)


def _one(scheduled_id: str) -> str:
    return path("/v1/messages/scheduled/{}", scheduled_id)


class DraftsApi:
    """`client.drafts`: one per conversation and thread, on all devices of the caller."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def get(self, conversation_id: str, *, thread_root_id: str | None = None) -> Draft | None:
        """What the caller began to write."""
        return await self._call("GET", conversation_id, query={"thread_root_id": thread_root_id})

    async def save(
        self,
        conversation_id: str,
        content: str,
        *,
        thread_root_id: str | None = None,
        reply_to_message_id: str | None = None,
    ) -> Draft | None:
        """Keep this draft in place of the one there is; without content it is forgotten."""
        body = given(
            content=content,
            thread_root_id=thread_root_id or UNSET,
            reply_to_message_id=reply_to_message_id or UNSET,
        )
        return await self._call("PUT", conversation_id, json=body)

    async def remove(self, conversation_id: str, *, thread_root_id: str | None = None) -> None:
        """Forget the draft."""
        await self._call("DELETE", conversation_id, query={"thread_root_id": thread_root_id})

    async def _call(self, method: str, conversation_id: str, **options: Any) -> Draft | None:
        address = path("/v1/conversations/{}/draft", conversation_id)
        data = await self._http.call(method, address, Json, **options)
        return part(data, "draft", Draft | None)  # type: ignore[arg-type]
