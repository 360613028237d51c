"""One connection: commands of a tick leave in one write, and answers come back in their order.

hiredis reads the answers right where the event loop hands the bytes over, which costs a sixth of what a
pipeline of redis-py costs per command (docs/decisions/0016-redis.md).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis

from secureconnect.infra.redis.address import Address

__all__ = ["Line", "LineLost", "Outcome", "Refused", "open_line"]

Word = str | bytes | int | float
#: Told how a posted command ended: None, or what it ended with.
Outcome = Callable[[Exception | None], None]
_NAME = "secureconnect"


class LineLost(ConnectionError):
    """The connection ended; whether commands on their way were carried out is unknown."""


class Refused(Exception):
    """Redis answered with an error. `code` is its first word, such as MOVED or READONLY."""

    def __init__(self, message: str) -> None:
        self.code = message.partition(" ")[0]
        super().__init__(self.code)


class Line(asyncio.Protocol):
    """A connection that is authenticated.

    Args:
        on_lost: called once when it ended, unless `close` ended it.
    """

    def __init__(self, on_lost: Callable[["Line"], None] | None = None) -> None:
        self._on_lost = on_lost
        self._on_push: Callable[[Any], None] | None = None
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None
        self._asked: deque[asyncio.Future[Any] | Outcome] = deque()
        self._out: list[bytes] = []
        self._unsent = 0
        self.lost = False

    # Asking

    def ask(self, *words: Word) -> asyncio.Future[Any]:
        """Send one command with what else is sent in this tick; the future has the answer.

        Errors: `Refused`, `LineLost`.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.lost:
            future.set_exception(LineLost("not connected"))
            return future
        self._asked.append(future)
        self.tell(*words)
        return future

    def post(self, outcome: Outcome, *words: Word) -> None:
        """Send one command whose answer matters only in that there is one."""
        if self.lost:
            outcome(LineLost("not connected"))
            return
        self._asked.append(outcome)
        self.tell(*words)

    def tell(self, *words: Word) -> None:
        """Send one command; for `ask` and `post`, and for what `listen` hears the answers of."""
        packed = hiredis.pack_command(words)  # type: ignore[arg-type]  # of any length, says its code
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(packed)
        self._unsent += len(packed)

    @property
    def unanswered(self) -> int:
        """Commands whose answers are outstanding."""
        return len(self._asked)

    @property
    def unsent(self) -> int:
        """Bytes that Redis has not taken yet."""
        return self._unsent + (self._transport.get_write_buffer_size() if self._transport is not None else 0)

    def listen(self, on_push: Callable[[Any], None]) -> None:
        """From now on everything that comes in is for `on_push`: this is a subscriber's connection.

        It gets lists, and a `Refused` where Redis refused a command.
        """
        self._on_push = on_push

    def close(self) -> None:
        """End it, quietly."""
        self._on_lost = None
        if self._transport is not None:
            self._transport.abort()
        self._end()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's by their type.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not False:
                self._take(answer)
        except hiredis.ProtocolError:  # whatever that is, it is no Redis
            assert self._transport is not None
            self._transport.abort()

    def _take(self, answer: Any) -> None:
        refused = Refused(str(answer)) if isinstance(answer, hiredis.ReplyError) else None
        if self._on_push is not None and not self._asked:
            self._on_push(refused or answer)
            return
        asker = self._asked.popleft()
        if not isinstance(asker, asyncio.Future):
            asker(refused)
        elif asker.done():
            pass  # whoever asked gave up
        elif refused is not None:
            asker.set_exception(refused)
            asker.exception()  # nobody may be waiting any more
        else:
            asker.set_result(answer)

    def connection_lost(self, _exc: Exception | None) -> None:
        told, self._on_lost = self._on_lost, None
        self._end()
        if told is not None:
            told(self)

    def _flush(self) -> None:
        data, self._out, self._unsent = self._out, [], 0
        if self._transport is not None and not self.lost:
            self._transport.writelines(data)

    def _end(self) -> None:
        self.lost = True
        asked, self._asked = self._asked, deque()
        for asker in asked:
            if not isinstance(asker, asyncio.Future):
                asker(LineLost("connection lost"))
            elif not asker.done():
                asker.set_exception(LineLost("connection lost"))
                asker.exception()  # nobody may be waiting


async def open_line(
    address: Address,
    host: str,
    port: int,
    *,
    timeout: float,
    on_lost: Callable[[Line], None] | None = None,
    sentinel: bool = False,
) -> Line:
    """Connect and authenticate.

    Raises:
        OSError, TimeoutError: no connection.
        Refused: the credentials or the database are not good.
    """
    async with asyncio.timeout(timeout):
        line = await _connect(address, host, port)
        try:
            await _introduce(line, address, sentinel=sentinel)
        except BaseException:
            line.close()
            raise
    line._on_lost = on_lost
    if line.lost and on_lost is not None:
        on_lost(line)
    return line


async def _connect(address: Address, host: str, port: int) -> Line:
    loop = asyncio.get_running_loop()
    if address.path:
        _, line = await loop.create_unix_connection(Line, address.path)
        return line
    context = address.context()
    _, line = await loop.create_connection(
        Line, host, port, ssl=context, server_hostname=host if context is not None else None
    )
    return line


async def _introduce(line: Line, address: Address, *, sentinel: bool) -> None:
    username = address.sentinel_username if sentinel else address.username
    password = address.sentinel_password if sentinel else address.password
    greetings: list[Sequence[Word]] = []
    if password:
        greetings.append(("AUTH", username, password) if username else ("AUTH", password))
    if address.db and not sentinel:
        greetings.append(("SELECT", address.db))
    asked = [line.ask(*words) for words in greetings]
    asked.append(line.ask("PING"))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    line.ask("CLIENT", "SETNAME", _NAME).add_done_callback(_ignored)


def _ignored(future: asyncio.Future[Any]) -> None:
    """A name is nice to have; an ACL may forbid it."""
    if not future.cancelled():
        future.exception()
