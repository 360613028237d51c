"""One conversation with a TURN server: requests and answers over UDP, TCP or TLS."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Protocol, cast

from secureconnect.infra.turn import stun
from secureconnect.infra.turn.urls import IceAddress

__all__ = ["Link", "TurnSession", "connected"]

_FIRST_PAUSE = 0.5  # before a datagram is sent again; doubles (RFC 8489 §6.2.1)
_HEAD = 20


class Link(Protocol):
    """A way to the server on which a request gets the answer with the same transaction."""

    async def ask(self, request: bytes, transaction: bytes) -> bytes: ...


class TurnSession:
    """Requests with a user name and password, once the server has asked for them."""

    def __init__(self, link: Link, username: str, password: str) -> None:
        self._link = link
        self._username = username
        self._password = password
        self._key: stun.Key | None = None
        self._realm = self._nonce = b""

    async def allocate(self) -> stun.Reply:
        """Ask for a relay address that lasts a minute; the first refusal only tells realm and nonce."""
        wish = {stun.REQUESTED_TRANSPORT: stun.BY_UDP, stun.LIFETIME: _seconds(60)}
        first = await self._request(stun.ALLOCATE, wish)
        if first.error != 401 or not first.nonce:
            return first
        self._realm, self._nonce = first.realm, first.nonce
        self._key = stun.long_term_key(self._username, first.realm, self._password)
        return await self._request(stun.ALLOCATE, wish)

    async def permit(self, host: str, port: int = 9) -> stun.Reply:
        """Ask to be allowed to exchange data with a peer."""
        transaction = stun.new_transaction()
        wish = {stun.PEER_ADDRESS: stun.peer_address(host, port, transaction)}
        return await self._request(stun.CREATE_PERMISSION, wish, transaction)

    async def release(self) -> stun.Reply:
        """Give the relay address back."""
        return await self._request(stun.REFRESH, {stun.LIFETIME: _seconds(0)})

    async def bind(self) -> stun.Reply:
        """Ask a STUN server who we are."""
        return await self._request(stun.BINDING, {})

    async def _request(
        self, method: int, wish: Mapping[int, bytes], transaction: bytes | None = None
    ) -> stun.Reply:
        transaction = transaction or stun.new_transaction()
        attributes = dict(wish)
        if self._key is not None:
            attributes |= {
                stun.USERNAME: self._username.encode(),
                stun.REALM: self._realm,
                stun.NONCE: self._nonce,
            }
        request = stun.encode(method, transaction, attributes, self._key)
        reply = stun.read(await self._link.ask(request, transaction), self._key)
        if reply.method != method:
            raise ValueError("an answer to something else")
        return reply


@contextlib.asynccontextmanager
async def connected(address: IceAddress, tls: ssl.SSLContext | None = None) -> AsyncIterator[Link]:
    """A way to the server, for the length of the block.

    Args:
        tls: whom to trust; by default the authorities that this system trusts.

    Raises:
        OSError: nobody is there, or not who it should be.
    """
    if address.transport == "udp":
        loop = asyncio.get_running_loop()
        transport, link = await loop.create_datagram_endpoint(
            _Datagrams, remote_addr=(address.host, address.port)
        )
        try:
            yield link
        finally:
            transport.close()
        return
    context = (tls or ssl.create_default_context()) if address.transport == "tls" else None
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
    try:
        yield _Stream(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class _Datagrams(asyncio.DatagramProtocol):
    """Sends a request again until its answer comes."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, _: object) -> None:
        answer = self._waiting.get(data[8:_HEAD])
        if answer is not None and not answer.done():
            answer.set_result(data)

    def error_received(self, error: Exception) -> None:
        """The machine says that nobody listens there."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(error)

    async def ask(self, request: bytes, transaction: bytes) -> bytes:
        assert self._transport is not None
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[transaction] = answer
        pause = _FIRST_PAUSE
        try:
            while True:
                self._transport.sendto(request)
                await asyncio.wait({answer}, timeout=pause)
                if answer.done():
                    return answer.result()
                pause *= 2
        finally:
            del self._waiting[transaction]


class _Stream:
    """Messages one after the other; who waits for one reads over what it did not ask for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes, transaction: bytes) -> bytes:
        self._writer.write(request)
        await self._writer.drain()
        while True:
            head = await self._reader.readexactly(_HEAD)
            message = head + await self._reader.readexactly(stun.length_of(head))
            if head[8:] == transaction:
                return message


def _seconds(count: int) -> bytes:
    return count.to_bytes(4, "big")
