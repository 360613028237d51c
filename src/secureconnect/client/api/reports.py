"""Reports to the server's administrators (HTTP reference §15)."""

from secureconnect.client.http import Http, Json, part

__all__ = ["ReportsApi"]


class ReportsApi:
    """`client.reports`; what administrators do with them is in `client.admin`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def user(self, user_id: str, reason: str) -> str:
        """Report a user; returns the report's id."""
        return await self._create("user", user_id, reason)

    async def conversation(self, conversation_id: str, reason: str) -> str:
        """Report a conversation that the caller takes part in."""
        return await self._create("conversation", conversation_id, reason)

    async def message(self, message_id: str, reason: str, *, include_content: bool = False) -> str:
        """Report a message; with `include_content` administrators may read what a plaintext one says."""
        return await self._create("message", message_id, reason, include_content=include_content)

    async def _create(
        self, target_type: str, target_id: str, reason: str, *, include_content: bool = False
    ) -> str:
        body = {
            "target_type": target_type,
            "target_id": target_id,
            "reason": reason,
            "include_content": include_content,
        }
        data = await self._http.call("POST", "/v1/reports", Json, json=body, once=True)
        return part(data, "report_id", str)
