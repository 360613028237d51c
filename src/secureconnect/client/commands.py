"""The commands of the chat socket (docs/reference/realtime.md §4)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, Unpack

import msgspec

from secureconnect.client.api.changes import edit_request
from secureconnect.client.api.messages import Metadata, SendOptions, send_request
from secureconnect.client.api.request import UNSET, Unset, given
from secureconnect.client.errors import ApiFailure, ConnectionLost
from secureconnect.client.frames import Ack, ChangeAck, EditAck, MarkAck, PresenceAck, SendAck
from secureconnect.client.http import decode
from secureconnect.client.link import ChatLink
from secureconnect.client.retry import RetryPolicy

__all__ = ["Commands"]

T = TypeVar("T")


class _Status(msgspec.Struct):
    status: str


class Commands:
    """What an application can say on the socket. All commands wait for a connection first."""

    def __init__(
        self,
        link: ChatLink,
        *,
        retry: RetryPolicy,
        timeout: float = 35,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._link = link
        self._retry = retry
        self._timeout = timeout
        self._sleep = sleep

    async def send(self, conversation_id: str, content: str, **options: Unpack[SendOptions]) -> SendAck:
        """Send a message; when this returns it is on the server's disk.

        A send whose outcome is unknown (lost connection, no answer, 5xx) is repeated with the same
        client_message_id, after the reconnect if need be, so the message exists once (guarantee G10).

        Raises:
            ApiFailure: the server refuses it, or still cannot take it after some repeats.
            ClientError: the chat has ended.
        """
        fields = send_request(conversation_id, content, options)
        return await self._until_answered("message_send", fields, SendAck)

    async def edit(
        self,
        message_id: str,
        content: str,
        *,
        metadata: Metadata | Unset | None = UNSET,
        mentions: Sequence[str] | Unset | None = UNSET,
        attachments: Sequence[str] | Unset | None = UNSET,
        base_edit_count: int | None = None,
    ) -> EditAck:
        """Let a message of one's own say something else; see `client.messages.edit`. Sent once."""
        fields = edit_request(
            content,
            metadata=metadata,
            mentions=mentions,
            attachments=attachments,
            base_edit_count=base_edit_count,
        )
        return await self._once("message_edit", {"message_id": message_id, **fields}, EditAck)

    async def delete(self, message_id: str, *, for_everyone: bool = True) -> ChangeAck:
        """Delete a message, or only hide it from oneself."""
        fields = {"message_id": message_id, "scope": "everyone" if for_everyone else "me"}
        return await self._until_answered("message_delete", fields, ChangeAck)

    async def react(self, message_id: str, emoji: str) -> ChangeAck:
        """React with one emoji; again changes nothing."""
        return await self._until_answered(
            "reaction_add", {"message_id": message_id, "emoji": emoji}, ChangeAck
        )

    async def unreact(self, message_id: str, emoji: str) -> ChangeAck:
        """Take a reaction back. Sent once."""
        return await self._once("reaction_remove", {"message_id": message_id, "emoji": emoji}, ChangeAck)

    async def read(self, conversation_id: str, seq: int) -> MarkAck:
        """Move the read mark forward."""
        return await self._until_answered("read", {"conversation_id": conversation_id, "seq": seq}, MarkAck)

    async def delivered(self, conversation_id: str, seq: int) -> MarkAck:
        """Say that everything up to `seq` arrived on this device."""
        fields = {"conversation_id": conversation_id, "seq": seq}
        return await self._until_answered("delivered", fields, MarkAck)

    async def typing(self, conversation_id: str, is_typing: bool = True) -> None:
        """Say that the user writes. A hint: without a connection nothing happens."""
        socket = self._link.socket
        if socket is not None:
            try:
                await socket.tell("typing", {"conversation_id": conversation_id, "is_typing": is_typing})
            except ConnectionLost:
                return

    async def set_presence(self, status: str, status_text: str | None = None) -> str:
        """Be online, away, busy or (unseen) offline on this device; returns what others see.

        Told again after every reconnect.
        """
        fields = given(status=status, status_text=UNSET if status_text is None else status_text)
        effective = (await self._until_answered("presence_set", fields, _Status)).status
        self._link.presence = fields
        return effective

    async def subscribe_presence(self, user_ids: Iterable[str]) -> PresenceAck:
        """Get `Presence` frames of up to 500 users, now and after every reconnect."""
        wanted = list(user_ids)
        answer = await self._until_answered("subscribe_presence", {"user_ids": wanted}, PresenceAck)
        self._link.watched.update(set(wanted) - set(answer.denied))
        return answer

    async def unsubscribe_presence(self, user_ids: Iterable[str]) -> None:
        """Get them no more."""
        unwanted = list(user_ids)
        self._link.watched.difference_update(unwanted)
        await self._until_answered("unsubscribe_presence", {"user_ids": unwanted}, dict[str, msgspec.Raw])

    async def acknowledge_push(self, delivery_id: str) -> None:
        """Say that a push arrived on this device; `delivery_id` stands in it.

        Raises:
            NotFound: it was not for this user.
        """
        await self._until_answered("push_ack", {"delivery_id": delivery_id}, dict[str, msgspec.Raw])

    async def ping(self) -> float:
        """Seconds from here to the server and back, through the protocol."""
        socket = await self._link.live()
        before = time.perf_counter()
        await socket.command("ping", {}, timeout=self._timeout)
        return time.perf_counter() - before

    async def command(self, kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Any command, once; returns the fields of its ack.

        Raises:
            ApiFailure: the server refused.
            ConnectionLost: the outcome is unknown.
        """
        return await self._once(kind, fields, dict[str, Any])

    async def _once(self, kind: str, fields: Mapping[str, Any], answer: type[T]) -> T:
        socket = await self._link.live()
        ack = await socket.command(kind, fields, timeout=self._timeout)
        return decode(ack.raw if isinstance(ack, Ack) else b"{}", answer)

    async def _until_answered(self, kind: str, fields: Mapping[str, Any], answer: type[T]) -> T:
        """Repeat a command that does no harm twice until its outcome is known."""
        attempt = 0
        while True:
            socket = await self._link.live()
            try:
                ack = await socket.command(kind, fields, timeout=self._timeout)
            except ConnectionLost:
                continue  # `live` gives the next socket
            except ApiFailure as error:
                pause = self._retry.wait(error, attempt, repeatable=True)
                if pause is None:
                    raise
                attempt += 1
            else:
                return decode(ack.raw if isinstance(ack, Ack) else b"{}", answer)
            await self._sleep(pause)
