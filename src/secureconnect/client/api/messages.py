"""The timeline over HTTP (HTTP reference §9)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack

from secureconnect.client.api.changes import MessageChanges
from secureconnect.client.api.request import path
from secureconnect.client.http import Json, part
from secureconnect.client.models.base import Moment, Page
from secureconnect.client.models.conversations import MyState
from secureconnect.client.models.messages import EventPage, Message, SyncEntry, SyncPage
from secureconnect.kit.ids import new_id

__all__ = ["MessagesApi", "Metadata", "SendOptions", "send_request"]

Metadata = Mapping[str, str | int | float | bool]


class SendOptions(TypedDict, total=False):
    """What a send may carry beside its text.

    Ids of files that were uploaded, of the message that is answered, of the root of a thread, and of members
    to be mentioned; `mention_all` and `mention_here` are for admins. `silent` sends no push.
    """

    client_message_id: str | None
    message_type: str
    metadata: Metadata | None
    attachments: Sequence[str]
    reply_to_message_id: str | None
    thread_root_id: str | None
    mentions: Sequence[str]
    mention_all: bool
    mention_here: bool
    silent: bool


def send_request(conversation_id: str, content: str, options: SendOptions) -> dict[str, Any]:
    """The body of a send, the same over HTTP and on the socket; it always carries a client_message_id."""
    wanted = {name: value for name, value in options.items() if value}
    key = wanted.pop("client_message_id", None) or new_id()
    return {"conversation_id": conversation_id, "content": content, "client_message_id": key, **wanted}


class MessagesApi(MessageChanges):
    """`client.messages`."""

    async def send(self, conversation_id: str, content: str, **options: Unpack[SendOptions]) -> Message:
        """Send a message; when this returns it is on the server's disk.

        Repeats after lost connections carry the same client_message_id, so the message exists once. Pass your
        own id to go on repeating a send that failed with `ConnectionLost`, even from another process.
        """
        body = send_request(conversation_id, content, options)
        return await self._http.call("POST", "/v1/messages", Message, json=body, repeatable=True)

    async def get(self, message_id: str) -> Message:
        """One message."""
        return await self._http.call("GET", path("/v1/messages/{}", message_id), Message)

    async def list(
        self,
        conversation_id: str,
        *,
        around: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[Message]:
        """Messages, newest first; `around` puts that message in the middle."""
        return await self._http.page(
            "/v1/messages",
            "messages",
            Message,
            cursor=cursor,
            limit=limit,
            query={"conversation_id": conversation_id, "around": around},
        )

    async def search(
        self,
        query: str,
        *,
        conversation_id: str | None = None,
        sender_id: str | None = None,
        message_type: str | None = None,
        has: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[Message]:
        """Messages with words that begin with those of `query`, newest first; both ends of time included.

        `has` is `file`, `image`, `link` or `poll`. Filters may stand in `query` too: `from:username`,
        `in:<conversation_id>`, `has:…`, `before:` and `after:YYYY-MM-DD`. Encrypted messages are not found.
        """
        filters = {
            "query": query,
            "conversation_id": conversation_id,
            "sender_id": sender_id,
            "message_type": message_type,
            "has": has,
            "from": since,
            "to": until,
        }
        return await self._http.page(
            "/v1/messages/search", "messages", Message, cursor=cursor, limit=limit, query=filters
        )

    async def events(
        self,
        conversation_id: str,
        *,
        after_seq: int | None = None,
        before_seq: int | None = None,
        limit: int | None = None,
    ) -> EventPage:
        """Ascending events: the next above `after_seq`, last below `before_seq`, between, or the newest."""
        return await self._http.call(
            "GET",
            path("/v1/conversations/{}/events", conversation_id),
            EventPage,
            query={"after_seq": after_seq, "before_seq": before_seq, "limit": limit},
        )

    async def sync(self, *, cursor: str | None = None, limit: int | None = None) -> SyncPage:
        """Where the caller stands in every conversation."""
        query = {"cursor": cursor, "limit": limit}
        data = await self._http.call("GET", "/v1/sync", Json, query=query)
        return SyncPage(
            items=part(data, "conversations", list[SyncEntry]),
            next_cursor=part(data, "next_cursor", str | None),  # type: ignore[arg-type]
            has_more=part(data, "has_more", bool),
            server_time=part(data, "server_time", Moment),
        )

    async def read(self, conversation_id: str, last_message_id: str) -> MyState:
        """Move the read mark to a message."""
        body = {"conversation_id": conversation_id, "last_message_id": last_message_id}
        return await self._http.call("POST", "/v1/messages/read", MyState, json=body, once=True)
