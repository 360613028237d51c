"""Conversations and their members (HTTP reference §8)."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from secureconnect.client.api.request import UNSET, Nothing, Unset, given, path
from secureconnect.client.http import Http
from secureconnect.client.models.base import Page
from secureconnect.client.models.conversations import Added, Conversation, MyState, Participant, Settings

__all__ = ["ConversationsApi"]


class ConversationsApi:
    """`client.conversations`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def create_direct(self, user_id: str) -> Conversation:
        """The one conversation with `user_id`, created when it does not exist."""
        body = {"type": "direct", "participant_ids": [user_id]}
        return await self._http.call("POST", "/v1/conversations", Conversation, json=body, once=True)

    async def create_group(
        self,
        title: str | None,
        participant_ids: Sequence[str],
        *,
        description: str | None = None,
        settings: Mapping[str, object] | None = None,
        is_e2ee_enabled: bool = False,
    ) -> Conversation:
        """A new group with the caller as its owner. `settings` is any subset of `Settings`."""
        body = given(
            type="group",
            title=title or UNSET,
            participant_ids=list(participant_ids),
            description=description or UNSET,
            settings=settings or UNSET,
            is_e2ee_enabled=is_e2ee_enabled,
        )
        return await self._http.call("POST", "/v1/conversations", Conversation, json=body, once=True)

    async def list(
        self,
        *,
        archived: str = "false",
        kind: str | None = None,
        name: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Page[Conversation]:
        """The caller's conversations, last active first. `archived` is false, true or all; `kind`
        is direct or group."""
        return await self._http.page(
            "/v1/conversations",
            "conversations",
            Conversation,
            cursor=cursor,
            limit=limit,
            query={"archived": archived, "type": kind, "q": name, "offset": offset},
        )

    async def get(self, conversation_id: str) -> Conversation:
        """One conversation."""
        return await self._http.call("GET", path("/v1/conversations/{}", conversation_id), Conversation)

    async def update(
        self,
        conversation_id: str,
        *,
        title: str | Unset | None = UNSET,
        description: str | Unset | None = UNSET,
        avatar_url: str | Unset | None = UNSET,
        avatar_file_id: str | Unset | None = UNSET,
    ) -> Conversation:
        """Change the given fields; None clears. `avatar_file_id` shows a picture made of an own file."""
        body = given(
            title=title, description=description, avatar_url=avatar_url, avatar_file_id=avatar_file_id
        )
        route = path("/v1/conversations/{}", conversation_id)
        return await self._http.call("PATCH", route, Conversation, json=body)

    async def delete(self, conversation_id: str) -> None:
        """A group: gone for everyone (owner only). A direct one: hidden and cleared for the caller."""
        await self._http.call("DELETE", path("/v1/conversations/{}", conversation_id), Nothing)

    async def update_settings(self, conversation_id: str, **settings: object) -> Settings:
        """Change any subset of `Settings`."""
        route = path("/v1/conversations/{}/settings", conversation_id)
        return await self._http.call("PUT", route, Settings, json=settings)

    async def participants(
        self, conversation_id: str, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[Participant]:
        """The members, longest first."""
        route = path("/v1/conversations/{}/participants", conversation_id)
        return await self._http.page(route, "participants", Participant, cursor=cursor, limit=limit)

    async def add(self, conversation_id: str, user_ids: Sequence[str]) -> Added:
        """Add people to a group: all of them or none."""
        route = path("/v1/conversations/{}/participants", conversation_id)
        return await self._http.call("POST", route, Added, json={"user_ids": [*user_ids]}, once=True)

    async def remove(self, conversation_id: str, user_id: str) -> None:
        """Remove somebody from a group."""
        route = path("/v1/conversations/{}/participants/{}", conversation_id, user_id)
        await self._http.call("DELETE", route, Nothing)

    async def set_role(self, conversation_id: str, user_id: str, role: str) -> Participant:
        """Make a member `admin`, or an admin `member`."""
        route = path("/v1/conversations/{}/participants/{}", conversation_id, user_id)
        return await self._http.call("PATCH", route, Participant, json={"role": role})

    async def leave(self, conversation_id: str) -> None:
        """Leave a group.

        Raises:
            Conflict: `OWNERSHIP_TRANSFER_REQUIRED`, the owner hands the group over first.
        """
        await self._http.call("POST", path("/v1/conversations/{}/leave", conversation_id), Nothing, once=True)

    async def transfer(self, conversation_id: str, user_id: str) -> Conversation:
        """Hand a group over.

        Raises:
            ReauthRequired: call `client.auth.reauthenticate` first.
        """
        route = path("/v1/conversations/{}/transfer", conversation_id)
        return await self._http.call("POST", route, Conversation, json={"user_id": user_id}, once=True)

    async def archive(self, conversation_id: str) -> MyState:
        """Hide from the list until the next message."""
        return await self._mine(conversation_id, "archive")

    async def unarchive(self, conversation_id: str) -> MyState:
        """Show in the list again."""
        return await self._mine(conversation_id, "unarchive")

    async def mute(self, conversation_id: str, until: datetime | None = None) -> MyState:
        """Silence until a moment with an offset, or for good."""
        return await self._mine(conversation_id, "mute", given(until=until or UNSET))

    async def unmute(self, conversation_id: str) -> MyState:
        """End the silence."""
        return await self._mine(conversation_id, "unmute")

    async def read(self, conversation_id: str, seq: int) -> MyState:
        """Move the read mark forward to `seq`."""
        return await self._mine(conversation_id, "read", {"seq": seq})

    async def _mine(
        self, conversation_id: str, verb: str, body: Mapping[str, object] | None = None
    ) -> MyState:
        route = path("/v1/conversations/{}/{}", conversation_id, verb)
        return await self._http.call("POST", route, MyState, json=body or {}, once=True)
