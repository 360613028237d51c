"""Invite links (HTTP reference §8)."""

from secureconnect.client.api.request import UNSET, Nothing, given, path
from secureconnect.client.http import Http
from secureconnect.client.models.base import Page
from secureconnect.client.models.conversations import Conversation, Invite, InvitePreview

__all__ = ["InvitesApi"]


class InvitesApi:
    """`client.invites`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def create(
        self, conversation_id: str, *, expires_in: int | None = None, max_uses: int | None = None
    ) -> Invite:
        """A new link, valid for `expires_in` seconds."""
        body = given(expires_in=expires_in or UNSET, max_uses=max_uses or UNSET)
        route = path("/v1/conversations/{}/invites", conversation_id)
        return await self._http.call("POST", route, Invite, json=body, once=True)

    async def list(
        self, conversation_id: str, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[Invite]:
        """The live links of a conversation."""
        route = path("/v1/conversations/{}/invites", conversation_id)
        return await self._http.page(route, "invites", Invite, cursor=cursor, limit=limit)

    async def revoke(self, conversation_id: str, invite_id: str) -> None:
        """Make a link useless."""
        route = path("/v1/conversations/{}/invites/{}", conversation_id, invite_id)
        await self._http.call("DELETE", route, Nothing)

    async def look(self, code: str) -> InvitePreview:
        """What the link leads to."""
        return await self._http.call("GET", path("/v1/invites/{}", code), InvitePreview)

    async def join(self, code: str) -> Conversation:
        """Join by the link; a member gets the same answer again."""
        return await self._http.call("POST", path("/v1/invites/{}/join", code), Conversation, once=True)
