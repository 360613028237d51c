"""One connection of a chat: find out what exists, connect, resume, take frames, keep the token fresh."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Union

from secureconnect.client.credentials import Credentials
from secureconnect.client.cursors import Progress
from secureconnect.client.errors import ApiFailure, ClientError, SocketClosed
from secureconnect.client.feed import ConversationReset, Feed, Position
from secureconnect.client.frames import (
    ConversationAdded,
    ConversationRemoved,
    ErrorFrame,
    Frame,
    GoingAway,
    MyStateFrame,
    OtherFrame,
    Receipt,
    TokenExpiring,
    Typing,
)
from secureconnect.client.history import HttpHistory
from secureconnect.client.inbox import Inbox
from secureconnect.client.models.messages import Event
from secureconnect.client.models.people import Presence
from secureconnect.client.reconnector import ConnectionChanged
from secureconnect.client.socket import ChatSocket, open_socket

__all__ = ["ChatLink", "Incoming"]

#: What an application can get from a chat.
Incoming = Union[  # noqa: UP007 - a value that isinstance and the type checker both take
    Event,
    Typing,
    Receipt,
    Presence,
    MyStateFrame,
    ConversationAdded,
    ConversationRemoved,
    ConversationReset,
    ConnectionChanged,
    GoingAway,
    ErrorFrame,
    OtherFrame,
]

_COMMAND_TIMEOUT = 35  # the server gives up after 30 s
_WATCH_AT_ONCE = 500  # users per subscribe_presence


class ChatLink:
    """Implements `reconnector.Link`, and gives commands the socket of the moment."""

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials,
        history: HttpHistory,
        inbox: Inbox[Incoming],
        feed: Feed,
        progress: Progress,
        only: str | None = None,
    ) -> None:
        self._url = url
        self._credentials = credentials
        self._history = history
        self._inbox = inbox
        self._feed = feed
        self._progress = progress
        self._only = only
        self._socket: ChatSocket | None = None
        self._changed = asyncio.Event()
        self._ended: ClientError | None = None
        self._first = False
        self._loaded = False
        self._survey_again = False
        self._side: set[asyncio.Task[None]] = set()
        self.token = ""
        #: Who the server says that this is, once it was connected.
        self.user_id = ""
        #: What this side told the server and a new socket must hear again.
        self.watched: set[str] = set()
        self.presence: dict[str, Any] | None = None

    async def live(self) -> ChatSocket:
        """The open socket, as soon as there is one.

        Raises:
            ClientError: there will be none any more; the reason that the chat ended with.
        """
        while True:
            if self._socket is not None and self._socket.open:
                return self._socket
            if self._ended is not None:
                raise self._ended
            self._changed.clear()
            await self._changed.wait()

    @property
    def socket(self) -> ChatSocket | None:
        """The socket of the moment, if there is one."""
        return self._socket if self._socket is not None and self._socket.open else None

    async def connect(self) -> ChatSocket:
        """Take stock, connect, resume."""
        await self._load()
        self.token = self._credentials.access_token
        positions = await self._history.survey()
        await self._take_stock(positions)
        self.token = self._credentials.access_token  # the survey may have renewed it
        socket = await open_socket(self._url, self.token, conversation_id=self._only)
        self.user_id = socket.welcome.user_id
        try:
            request = self._feed.resume_request(positions)
            answer = await socket.hello(request)
        except BaseException:
            socket.abort()
            raise
        self._survey_again = answer is None or len(request) < len(self._feed.cursors)
        if answer is not None:
            self._feed.resumed(answer.resume)
        return socket

    async def serve(self, socket: ChatSocket) -> SocketClosed:
        """Take frames until the socket ends."""
        self._socket = socket
        self._changed.set()
        self._start(self._tell_again(socket))
        if self._survey_again:
            self._start(self._catch_up(socket))
        try:
            return await socket.run(lambda frame: self._frame(socket, frame))
        finally:
            self._socket = None
            socket.abort()

    def end(self, reason: ClientError) -> None:
        """There will be no connection any more."""
        self._ended = self._ended or reason
        self._changed.set()

    async def aclose(self, reason: ClientError) -> None:
        """Close the socket normally; commands that still wait fail with `reason`."""
        self.end(reason)
        if self._socket is not None:
            await self._socket.close()
        for task in self._side:
            task.cancel()
        await asyncio.gather(*self._side, return_exceptions=True)

    async def _load(self) -> None:
        if self._loaded:
            return
        saved = await self._progress.load()
        self._first = saved is None
        if self._only is not None:
            saved = {known: seq for known, seq in (saved or {}).items() if known == self._only}
        self._feed.restore(saved or {})
        self._loaded = True

    async def _take_stock(self, positions: list[Position]) -> None:
        """Give every conversation that is new here a place to begin: on a first run the head as it is now."""
        for position in positions:
            conversation_id = position.conversation_id
            known = self._feed.announced(conversation_id)
            if conversation_id in self._feed.cursors:
                continue
            start = position.last_seq if self._first else position.start
            if not known and not self._first:
                try:
                    conversation = await self._history.conversation(conversation_id)
                except ApiFailure as error:
                    if error.transient or error.status == 401:
                        raise
                    continue  # left again meanwhile
                self._inbox.put(ConversationAdded(conversation=conversation))
            self._feed.begin(conversation_id, start)
            self._progress.start(conversation_id, start)
        if self._first:
            self._first = False
            await self._progress.save()  # a crash from here on must not skip anything

    async def _catch_up(self, socket: ChatSocket) -> None:
        """Fetch what `hello` did not resume: more conversations than it can list, or it came too late."""
        try:
            self._feed.catch_up(await self._history.survey())
        except ClientError:
            socket.abort()  # without this the gap would stay until the next event
            raise

    async def _tell_again(self, socket: ChatSocket) -> None:
        if self.presence is not None:
            await socket.tell("presence_set", self.presence)
        watched = sorted(self.watched)
        for index in range(0, len(watched), _WATCH_AT_ONCE):
            await socket.tell("subscribe_presence", {"user_ids": watched[index : index + _WATCH_AT_ONCE]})

    async def _renew(self, socket: ChatSocket) -> None:
        token = await self._credentials.renew(socket.token)
        await socket.command("token_refresh", {"access_token": token}, timeout=_COMMAND_TIMEOUT)
        socket.token = token

    def _frame(self, socket: ChatSocket, frame: Frame) -> None:
        match frame:
            case Event():
                self._feed.event(frame)
            case ConversationAdded():
                self._feed.added(frame)
            case ConversationRemoved():
                self._feed.removed(frame)
            case TokenExpiring():
                self._start(self._renew(socket))
            case (
                Typing() | Receipt() | Presence() | MyStateFrame() | ErrorFrame() | GoingAway() | OtherFrame()
            ):
                if not self._inbox.half_full:  # hints; the durable events need the room
                    self._inbox.put(frame)
            case _:
                pass

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside the reader. Its failure ends nothing: the socket's own end decides."""
        task = asyncio.create_task(_quietly(work))
        self._side.add(task)
        task.add_done_callback(self._side.discard)


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except ClientError:
        return
