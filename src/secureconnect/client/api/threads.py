"""Threads, forwards and receipts (HTTP reference §9)."""

from secureconnect.client.api.request import UNSET, Unset, given, path
from secureconnect.client.http import Http, Json, part
from secureconnect.client.models.base import Page
from secureconnect.client.models.messages import Message
from secureconnect.client.models.threads import MessageReceipt, ThreadPage, ThreadState
from secureconnect.kit.ids import new_id

__all__ = ["ThreadsApi"]


class ThreadsApi:
    """`client.threads`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def read(
        self, message_id: str, *, cursor: str | None = None, limit: int | None = None
    ) -> ThreadPage:
        """The thread that a message began, oldest reply first. Reply with `thread_root_id`."""
        data = await self._http.call(
            "GET",
            path("/v1/messages/{}/thread", message_id),
            Json,
            query={"cursor": cursor, "limit": limit},
        )
        return ThreadPage(
            items=part(data, "messages", list[Message]),
            next_cursor=part(data, "next_cursor", str | None),  # type: ignore[arg-type]
            has_more=part(data, "has_more", bool),
            root=part(data, "root", Message),
            participants=part(data, "participants", list[str]),
            state=ThreadState(
                following=part(data, "following", bool),
                last_read_seq=part(data, "last_read_seq", int),
                unread_count=part(data, "unread_count", int),
            ),
        )

    async def update(
        self, message_id: str, *, following: bool | Unset = UNSET, last_read_seq: int | Unset = UNSET
    ) -> ThreadState:
        """Follow a thread or not, and move its read mark, which never goes back."""
        body = given(following=following, last_read_seq=last_read_seq)
        return await self._http.call(
            "PUT", path("/v1/messages/{}/thread", message_id), ThreadState, json=body
        )

    async def forward(
        self, message_id: str, conversation_id: str, *, client_message_id: str | None = None
    ) -> Message:
        """Say in another conversation what a message says, once per `client_message_id`."""
        body = {
            "message_id": message_id,
            "conversation_id": conversation_id,
            "client_message_id": client_message_id or new_id(),
        }
        return await self._http.call("POST", "/v1/messages/forward", Message, json=body, repeatable=True)

    async def receipts(
        self, message_id: str, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[MessageReceipt]:
        """Who received and read a message; for its sender and admins."""
        return await self._http.page(
            path("/v1/messages/{}/receipts", message_id),
            "receipts",
            MessageReceipt,
            cursor=cursor,
            limit=limit,
        )
