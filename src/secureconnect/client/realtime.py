"""The chat as applications use it: it stays connected, misses nothing, and sends once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

from secureconnect.client.commands import Commands
from secureconnect.client.cursors import Progress
from secureconnect.client.errors import ClientError, ConnectionLost
from secureconnect.client.feed import ConversationReset, Feed
from secureconnect.client.frames import ConversationRemoved
from secureconnect.client.inbox import Inbox
from secureconnect.client.link import ChatLink, Incoming
from secureconnect.client.models.messages import Event
from secureconnect.client.reconnector import ConnectionChanged, ConnectionState, Reconnector
from secureconnect.client.retry import RetryPolicy

__all__ = ["Chat"]

T = TypeVar("T")


class _Stream(Generic[T]):
    """An iterator over what `take` gives, until it gives None. Leaving and re-entering it is harmless."""

    def __init__(self, take: Callable[[], Awaitable[T | None]]) -> None:
        self._take = take

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        item = await self._take()
        if item is None:
            raise StopAsyncIteration
        return item


class Chat(Commands):
    """The stream of everything that a user receives, and the commands of the socket.

        async with client.chat() as chat:
            async for event in chat.events():
                ...

    Events of one conversation come in order, each once, without gaps, whatever the network does; what was
    missed during a break is fetched before anything newer is shown. One task may iterate at a time. An event
    counts as processed when the next one is asked for, or `async with` ends without an exception; with a
    durable cursor store, events that were not processed come again after a restart.

    Made by `Client.chat`.
    """

    def __init__(
        self,
        *,
        link: ChatLink,
        inbox: Inbox[Incoming],
        feed: Feed,
        progress: Progress,
        reconnector: Callable[[Callable[[ConnectionChanged], None]], Reconnector],
        retry: RetryPolicy,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(link, retry=retry, sleep=sleep)
        self._inbox = inbox
        self._feed = feed
        self._progress = progress
        self._reconnector = reconnector(self._moved)
        self._state = ConnectionState.IDLE
        self._tasks: list[asyncio.Task[None]] = []
        self._current: Incoming | None = None
        self._iterating = False
        self._trouble = "the server does not answer"

    @property
    def state(self) -> ConnectionState:
        """Where the connection is now."""
        return self._state

    @property
    def user_id(self) -> str:
        """Whose chat this is; empty before the first connection."""
        return self._link.user_id

    async def start(self, *, timeout: float | None = 30) -> None:
        """Connect; returns when the first connection is up. `async with` does this.

        Raises:
            ApiFailure, SocketClosed, NotLoggedIn: the server refuses for a reason that stays.
            ConnectionLost: no connection within `timeout` seconds (None: keep trying).
        """
        self._tasks = [
            asyncio.create_task(self._run(), name="chat"),
            asyncio.create_task(self._progress.run(), name="chat cursors"),
        ]
        try:
            async with asyncio.timeout(timeout):
                await self._link.live()
        except TimeoutError:
            error = ConnectionLost(f"no connection within {timeout:g} s: {self._trouble}", sent=False)
            await self.aclose()
            raise error from None
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Close the connection and save the cursors. Sends that still wait fail with ConnectionLost."""
        self._inbox.close()
        self._reconnector.stop()
        await self._link.aclose(ConnectionLost("the chat was closed"))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._feed.aclose()
        await self._progress.flush()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._finish()
        await self.aclose()

    def incoming(self) -> AsyncIterator[Incoming]:
        """Everything: events, hints (typing, receipts, presence …), and what happens to the connection.

        Ends after `aclose`; raises the reason when the server ended the chat for good.
        """
        return _Stream(self._take)

    def events(self) -> AsyncIterator[Event]:
        """The durable events alone."""
        return _Stream(self._take_event)

    async def _take(self) -> Incoming | None:
        if self._iterating:
            raise RuntimeError("another task iterates over this chat")
        self._iterating = True
        try:
            self._finish()
            self._current = await self._inbox.get()
        finally:
            self._iterating = False
        return self._current

    async def _take_event(self) -> Event | None:
        while True:
            item = await self._take()
            if item is None or isinstance(item, Event):
                return item

    def _finish(self) -> None:
        """The application asked for more: the item before is processed."""
        match self._current:
            case Event(conversation_id=conversation_id, seq=seq):
                self._progress.done(conversation_id, seq)
            case ConversationReset(conversation_id=conversation_id, last_seq=seq):
                self._progress.done(conversation_id, seq)
            case ConversationRemoved(conversation_id=conversation_id):
                self._progress.forget(conversation_id)
            case _:
                pass
        self._current = None

    def _moved(self, change: ConnectionChanged) -> None:
        self._state = change.state
        self._trouble = change.reason or self._trouble
        if not self._inbox.full:
            self._inbox.put(change)

    async def _run(self) -> None:
        reason: Exception = ConnectionLost("the chat was closed")
        try:
            reason = await self._reconnector.run()
        except Exception as error:  # a defect of this package: tell the application instead of hanging
            reason = error
            raise
        finally:
            self._moved(ConnectionChanged(state=ConnectionState.STOPPED, reason=str(reason)))
            self._link.end(reason if isinstance(reason, ClientError) else ClientError(str(reason)))
            self._inbox.close(reason)
