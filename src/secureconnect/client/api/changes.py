"""Changing messages over HTTP (HTTP reference §8 pins, §9)."""

from collections.abc import Mapping, Sequence
from typing import Any

from secureconnect.client.api.request import UNSET, Nothing, Unset, given, path
from secureconnect.client.http import Http
from secureconnect.client.models.base import Model, Moment, Page
from secureconnect.client.models.messages import EarlierVersion, Message, Reaction, Reactor

__all__ = ["MessageChanges", "edit_request"]


class _Deleted(Model, frozen=True, kw_only=True):
    deleted_at: Moment


class _Reactions(Model, frozen=True, kw_only=True):
    reactions: list[Reaction]


def edit_request(
    content: str,
    *,
    metadata: Mapping[str, str | int | float | bool] | Unset | None,
    mentions: Sequence[str] | Unset | None,
    attachments: Sequence[str] | Unset | None,
    base_edit_count: int | None,
) -> dict[str, Any]:
    """The body of an edit, the same over HTTP and on the socket."""
    return given(
        content=content,
        metadata=metadata,
        mentions=mentions,
        attachments=attachments,
        base_edit_count=UNSET if base_edit_count is None else base_edit_count,
    )


class MessageChanges:
    """The part of `client.messages` that changes messages and keeps some at hand."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def edit(
        self,
        message_id: str,
        content: str,
        *,
        metadata: Mapping[str, str | int | float | bool] | Unset | None = UNSET,
        mentions: Sequence[str] | Unset | None = UNSET,
        attachments: Sequence[str] | Unset | None = UNSET,
        base_edit_count: int | None = None,
    ) -> Message:
        """Let a message of one's own say something else; what is not given stays, None clears.

        With `base_edit_count` the edit is refused (`Conflict`) when somebody edited the message meanwhile.
        """
        body = edit_request(
            content,
            metadata=metadata,
            mentions=mentions,
            attachments=attachments,
            base_edit_count=base_edit_count,
        )
        return await self._http.call("PATCH", path("/v1/messages/{}", message_id), Message, json=body)

    async def delete(self, message_id: str, *, for_everyone: bool = True) -> Moment:
        """Delete a message, or only hide it from oneself; tells since when it is gone."""
        query = {"scope": "everyone" if for_everyone else "me"}
        deleted = await self._http.call(
            "DELETE", path("/v1/messages/{}", message_id), _Deleted, query=query, repeatable=True
        )
        return deleted.deleted_at

    async def history(
        self, message_id: str, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[EarlierVersion]:
        """What a message said before its edits, oldest first."""
        route = path("/v1/messages/{}/history", message_id)
        return await self._http.page(route, "versions", EarlierVersion, cursor=cursor, limit=limit)

    async def react(self, message_id: str, emoji: str) -> list[Reaction]:
        """React with one emoji; again changes nothing. Gives all reactions of the message."""
        route = path("/v1/messages/{}/react", message_id)
        return (
            await self._http.call("POST", route, _Reactions, json={"emoji": emoji}, repeatable=True)
        ).reactions

    async def unreact(self, message_id: str, emoji: str) -> list[Reaction]:
        """Take a reaction back. Gives the reactions that are left."""
        route = path("/v1/messages/{}/react", message_id)
        return (await self._http.call("DELETE", route, _Reactions, query={"emoji": emoji})).reactions

    async def reactors(
        self,
        message_id: str,
        *,
        emoji: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[Reactor]:
        """Who reacted, earliest first."""
        return await self._http.page(
            path("/v1/messages/{}/reactions", message_id),
            "reactions",
            Reactor,
            cursor=cursor,
            limit=limit,
            query={"emoji": emoji},
        )

    async def pins(
        self, conversation_id: str, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[Message]:
        """Pinned messages, the newest pin first."""
        route = path("/v1/conversations/{}/pins", conversation_id)
        return await self._http.page(route, "messages", Message, cursor=cursor, limit=limit)

    async def pin(self, conversation_id: str, message_id: str) -> None:
        """Keep a message at hand; again changes nothing."""
        route = path("/v1/conversations/{}/pins", conversation_id)
        await self._http.call("POST", route, Nothing, json={"message_id": message_id}, repeatable=True)

    async def unpin(self, conversation_id: str, message_id: str) -> None:
        """Keep it no more."""
        route = path("/v1/conversations/{}/pins/{}", conversation_id, message_id)
        await self._http.call("DELETE", route, Nothing)
