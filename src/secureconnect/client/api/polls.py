"""Polls (HTTP reference §11)."""

from collections.abc import Sequence
from datetime import datetime

from secureconnect.client.api.request import UNSET, Nothing, given, path
from secureconnect.client.http import Http
from secureconnect.client.models.base import Page
from secureconnect.client.models.polls import Poll, Voter
from secureconnect.kit.ids import new_id

__all__ = ["PollsApi"]


class PollsApi:
    """`client.polls`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def ask(
        self,
        conversation_id: str,
        question: str,
        options: Sequence[str],
        *,
        multiple: bool = False,
        allow_vote_change: bool = False,
        anonymous: bool = False,
        expires_at: datetime | None = None,
        client_message_id: str | None = None,
    ) -> Poll:
        """Ask with two to ten different answers; a repeat of `client_message_id` gives the first poll."""
        body = given(
            conversation_id=conversation_id,
            question=question,
            options=list(options),
            poll_type="multi" if multiple else "single",
            allow_vote_change=allow_vote_change,
            anonymous=anonymous,
            expires_at=expires_at or UNSET,
            client_message_id=client_message_id or new_id(),
        )
        return await self._http.call("POST", "/v1/polls", Poll, json=body, repeatable=True)

    async def get(self, poll_id: str) -> Poll:
        """One poll."""
        return await self._http.call("GET", path("/v1/polls/{}", poll_id), Poll)

    async def list(
        self,
        conversation_id: str,
        *,
        active: bool = False,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[Poll]:
        """Polls of a conversation, newest first; `active` leaves out those that take no votes."""
        return await self._http.page(
            "/v1/polls/active" if active else "/v1/polls",
            "polls",
            Poll,
            cursor=cursor,
            limit=limit,
            query={"conversation_id": conversation_id},
        )

    async def vote(self, poll_id: str, option_ids: Sequence[str]) -> Poll:
        """Choose these options, instead of those chosen before."""
        body = {"poll_id": poll_id, "option_ids": list(option_ids)}
        return await self._http.call("POST", "/v1/polls/vote", Poll, json=body, once=True)

    async def withdraw(self, poll_id: str) -> Poll:
        """Take the vote back."""
        return await self._http.call("DELETE", path("/v1/polls/{}/vote", poll_id), Poll)

    async def voters(
        self, poll_id: str, option_id: str, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[Voter]:
        """Who chose an option, earliest first; nobody learns it of an anonymous poll."""
        return await self._http.page(
            path("/v1/polls/{}/voters", poll_id),
            "voters",
            Voter,
            cursor=cursor,
            limit=limit,
            query={"option_id": option_id},
        )

    async def close(self, poll_id: str) -> Poll:
        """End the poll; its creator and admins may."""
        body = {"poll_id": poll_id}
        return await self._http.call("POST", "/v1/polls/close", Poll, json=body, once=True)

    async def delete(self, poll_id: str) -> None:
        """Delete the poll; its message stays as a deleted one."""
        await self._http.call("DELETE", path("/v1/polls/{}", poll_id), Nothing)
