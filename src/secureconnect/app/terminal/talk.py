"""A person at a console in a chat: commands and lines go out."""

import asyncio
import contextlib
import shlex
from collections.abc import Awaitable, Callable, Sequence

from secureconnect.app.terminal.book import Book
from secureconnect.app.terminal.console import Console
from secureconnect.app.terminal.notices import Notices
from secureconnect.app.terminal.text import HELP, clean, conversation_line, message_line
from secureconnect.client import Chat, Client, ClientError, Conversation, PublicUser
from secureconnect.kit.ids import new_id

__all__ = ["Talk"]

_LAST_WORDS = 30.0  # seconds for what is still to be sent when the input ends
_DRAFT_INTERVAL = 1.0
_OPENING = 10  # messages shown when a conversation is opened


class Talk:
    """Runs until the input ends, `/quit`, or the server ends the session."""

    def __init__(self, client: Client, chat: Chat, console: Console, book: Book) -> None:
        self._client = client
        self._chat = chat
        self._console = console
        self._book = book
        self._notices = Notices(console, book, chat)
        self._outbox: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._failed = 0
        self._commands: dict[str, Callable[[list[str]], Awaitable[None]]] = {
            "/dm": self._dm,
            "/group": self._group,
            "/list": self._list,
            "/open": self._open,
            "/history": self._history,
            "/who": self._who,
            "/help": self._help,
        }

    async def run(self) -> int:
        """Returns the exit code: 0 when everything typed was sent, else 1."""
        await self._list([])
        side = [asyncio.create_task(work) for work in (self._deliver(), self._notices.mark(), self._hint())]
        incoming = asyncio.create_task(self._notices.run())
        typing = asyncio.create_task(self._type())
        try:
            await asyncio.wait({incoming, typing}, return_when=asyncio.FIRST_COMPLETED)
            if incoming.done():
                incoming.result()
                return 1
            typing.result()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS):
                    await self._outbox.join()
            unsent = self._failed + self._outbox.qsize()
            if unsent:
                self._console.show(f"! {unsent} message{'s' if unsent > 1 else ''} not sent")
            return 1 if unsent else 0
        finally:
            for task in (*side, incoming, typing):
                task.cancel()
            await asyncio.gather(*side, incoming, typing, return_exceptions=True)

    async def _type(self) -> None:
        while True:
            current = self._book.current
            line = await self._console.read(f"{clean(current.name) if current else ''}> ")
            if line is None or line.strip() == "/quit":
                return
            if line.startswith("/") and not line.startswith("//"):
                await self._command(line)
            elif line.strip():
                self._say(line.removeprefix("/"))

    async def _command(self, line: str) -> None:
        try:
            name, *words = shlex.split(line)
        except ValueError:  # a quote that is not closed, as in o'neil
            name, *words = line.split()
        command = self._commands.get(name)
        if command is None:
            self._console.show(f"! there is no {clean(name)}; /help lists what there is")
            return
        try:
            await command(words)
        except ClientError as error:
            self._console.show(f"! {clean(str(error))}")

    def _say(self, text: str) -> None:
        if self._book.current is None:
            self._console.show("! open a conversation first: /dm NAME, or /list and /open N")
        else:
            self._outbox.put_nowait((self._book.current.conversation_id, text))

    async def _deliver(self) -> None:
        """Send line by line, so that they arrive in the order in which they were typed."""
        while True:
            conversation_id, text = await self._outbox.get()
            key = new_id()
            self._notices.typed.add(key)
            try:
                await self._chat.send(conversation_id, text, client_message_id=key)
            except ClientError as error:
                self._failed += 1
                self._console.show(f"! not sent: {clean(text)}\n  {clean(str(error))}")
            self._outbox.task_done()

    async def _hint(self) -> None:
        """Tell the others while the person types."""
        before = ""
        while self._console.interactive:
            await asyncio.sleep(_DRAFT_INTERVAL)
            draft, current = self._console.draft(), self._book.current
            if draft.startswith("/"):
                draft = ""
            if current is not None and draft != before and (draft or before):
                await self._chat.typing(current.conversation_id, is_typing=bool(draft))
            before = draft

    async def _dm(self, words: list[str]) -> None:
        people = await self._find(words[:1])
        if people:
            conversation = await self._client.conversations.create_direct(people[0].user_id)
            await self._enter(conversation)

    async def _group(self, words: list[str]) -> None:
        if len(words) < 2:
            self._console.show("! /group TITLE NAME …")
            return
        people = await self._find(words[1:])
        if people:
            ids = [each.user_id for each in people]
            await self._enter(await self._client.conversations.create_group(words[0], ids))

    async def _find(self, names: Sequence[str]) -> list[PublicUser]:
        """The users with these names; none of them when one is missing."""
        found = []
        for name in names:
            user = await self._client.users.find(name.removeprefix("@"))
            if user is None:
                self._console.show(f"! nobody is called {clean(name)}")
                return []
            found.append(user)
        if not found:
            self._console.show("! whom?")
        return found

    async def _list(self, _: list[str]) -> None:
        conversations = await self._book.load()
        lines = [conversation_line(number, each) for number, each in enumerate(conversations, 1)]
        self._console.show("\n".join(lines) or "no conversations yet: /dm NAME begins one, /help shows more")

    async def _open(self, words: list[str]) -> None:
        conversation = self._book.pick(" ".join(words))
        if conversation is None:
            self._console.show("! no such conversation: /list shows them")
        else:
            await self._enter(conversation)

    async def _enter(self, conversation: Conversation) -> None:
        self._book.put(conversation)
        self._book.current = conversation
        self._console.show(f"── {clean(conversation.name)} ──")
        await self._recent(conversation, _OPENING)

    async def _history(self, words: list[str]) -> None:
        if self._book.current is None:
            self._console.show("! open a conversation first")
            return
        count = int(words[0]) if words and words[0].isascii() and words[0].isdigit() else 20
        await self._recent(self._book.current, min(max(count, 1), 100))

    async def _recent(self, conversation: Conversation, count: int) -> None:
        page = await self._client.messages.list(conversation.conversation_id, limit=count)
        me = self._book.me.user_id
        for message in reversed(page.items):
            self._console.show(message_line(message, own=message.sender_id == me))
        if page.items:
            self._notices.read(conversation.conversation_id, page.items[0].seq)

    async def _who(self, _: list[str]) -> None:
        if self._book.current is None:
            self._console.show("! open a conversation first")
            return
        for each in await self._book.participants(self._book.current.conversation_id):
            role = "owner" if each.is_owner else each.role
            name = f"{clean(each.display_name)} ({clean(each.username or 'deleted')})"
            self._console.show(f"  {name}, {role}" + (f", {each.status}" if each.status else ""))

    async def _help(self, _: list[str]) -> None:
        self._console.show(HELP)
