"""What arrives, as lines on the console."""

import asyncio
import time

import msgspec

from secureconnect.app.terminal.book import Book
from secureconnect.app.terminal.console import Console
from secureconnect.app.terminal.text import clean, message_line
from secureconnect.client import (
    Chat,
    ClientError,
    ConnectionChanged,
    ConnectionState,
    ConversationAdded,
    ConversationRemoved,
    ConversationReset,
    Event,
    Incoming,
    Message,
    Typing,
)

__all__ = ["Notices"]

_TYPING_PAUSE = 10.0  # seconds between two notices that the same person writes


class Notices:
    """Shows everything that a chat brings; messages of the open conversation count as read."""

    def __init__(self, console: Console, book: Book, chat: Chat) -> None:
        self._console = console
        self._book = book
        self._chat = chat
        self._broken = False
        self._typing: dict[str, float] = {}
        self._marks: dict[str, int] = {}
        self._marked = asyncio.Event()
        #: client_message_ids of lines typed here; a terminal shows them already.
        self.typed: set[str] = set()

    async def run(self) -> None:
        """Until the chat ends; raises ClientError when the server ended it."""
        async for item in self._chat.incoming():
            try:
                await self._show(item)
            except ClientError as error:
                self._console.show(f"! {clean(str(error))}")

    def read(self, conversation_id: str, seq: int) -> None:
        """The person has seen everything up to `seq`."""
        self._marks[conversation_id] = seq
        self._marked.set()

    async def mark(self) -> None:
        """Tell the server what was read, the newest of each conversation only."""
        while True:
            await self._marked.wait()
            self._marked.clear()
            marks, self._marks = self._marks, {}
            for conversation_id, seq in marks.items():
                try:
                    await self._chat.read(conversation_id, seq)
                except ClientError:
                    continue  # a mark is worth no message; the next one includes it

    async def _show(self, item: Incoming) -> None:
        match item:
            case Event(kind="message_created"):
                await self._message(item)
            case Event():
                await self._change(item)
            case Typing() if item.is_typing and self._console.interactive:
                await self._writes(item)
            case ConversationAdded(conversation=conversation):
                self._book.put(conversation)
                number = self._book.listed.index(conversation.conversation_id) + 1
                self._console.show(f"* you are now in {clean(conversation.name)}: /open {number}")
            case ConversationRemoved(conversation_id=conversation_id):
                gone = self._book.drop(conversation_id)
                self._console.show(
                    f"* {clean(gone.name) if gone else 'a conversation'} is gone ({clean(item.reason)})"
                )
            case ConversationReset(conversation_id=conversation_id):
                name = clean((await self._book.conversation(conversation_id, fresh=True)).name)
                self._console.show(f"* earlier messages of {name} changed on the server")
            case ConnectionChanged():
                self._connection(item)
            case _:
                pass

    async def _message(self, event: Event) -> None:
        message = msgspec.convert(event.data["message"], Message)
        current = self._book.is_current(event.conversation_id)
        if current:
            self.read(event.conversation_id, event.seq)
        own = message.sender_id == self._book.me.user_id
        if own and message.client_message_id in self.typed:
            self.typed.discard(message.client_message_id)
            if self._console.interactive:
                return
        label = None if current else (await self._book.conversation(event.conversation_id)).name
        self._console.show(message_line(message, own=own, label=label))

    async def _change(self, event: Event) -> None:
        data = event.data
        if data.get("user_id") == self._book.me.user_id and event.kind == "member_removed":
            return  # conversation_removed says it
        conversation = await self._book.conversation(event.conversation_id, fresh=True)
        by = await self._book.name(event.actor_id)
        match event.kind:
            case "member_added" if data["via"] == "invite":
                text = f"{await self._book.name(data['user_id'])} joined"
            case "member_added":
                text = f"{by} added {await self._book.name(data['user_id'])}"
            case "member_removed" if data["reason"] == "left":
                text = f"{await self._book.name(data['user_id'])} left"
            case "member_removed":
                text = f"{by} removed {await self._book.name(data['user_id'])}"
            case "member_role_changed":
                text = f"{await self._book.name(data['user_id'])} is {data['role']} now"
            case "conversation_updated":
                text = f"{by} changed {', '.join(sorted(map(clean, data['changed'])))}"
            case _:
                return
        place = "" if self._book.is_current(event.conversation_id) else f"[{clean(conversation.name)}] "
        self._console.show(f"* {place}{text}")

    async def _writes(self, typing: Typing) -> None:
        now = time.monotonic()
        if self._book.is_current(typing.conversation_id) and (
            now - self._typing.get(typing.user_id, -_TYPING_PAUSE) >= _TYPING_PAUSE
        ):
            self._typing[typing.user_id] = now
            self._console.show(f"* {await self._book.name(typing.user_id)} is writing …")

    def _connection(self, change: ConnectionChanged) -> None:
        if change.state is ConnectionState.WAITING:
            self._broken = True
            self._console.show(
                f"* no connection ({clean(change.reason or '')}); trying again in {change.retry_in:.0f} s"
            )
        elif change.state is ConnectionState.CONNECTED and self._broken:
            self._broken = False
            self._console.show("* connected again")
