"""Sockets that send at a given pace and time what arrives."""

import asyncio
import itertools
import random
import time
from typing import Any

import msgspec
import websockets

from secureconnect.app.load.people import Api, Person, Room
from secureconnect.app.load.promises import Ledger

__all__ = ["Talker"]

_TEXT_BYTES = 200
_PATIENCE = 30.0

_numbers = itertools.count()


class Talker:
    """One person's chat socket. Seconds from send to delivery are those of all readers but the sender."""

    def __init__(self, url: str, person: Person, ledger: Ledger, api: Api) -> None:
        self._url = url.replace("http", "ws", 1).rstrip("/") + "/v1/ws/chat"
        self._person = person
        self._ledger = ledger
        self._api = api
        self._connection: websockets.ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.acks: list[float] = []
        self.deliveries: list[float] = []

    async def open(self) -> float:
        """Connect and say hello; returns the seconds that took."""
        started = time.perf_counter()
        headers = {"authorization": f"Bearer {self._person.token}"}
        self._connection = await websockets.connect(
            self._url, additional_headers=headers, compression=None, max_size=None, max_queue=None
        )
        self._reading = asyncio.create_task(self._read(self._connection))
        await self._command("hello")
        return time.perf_counter() - started

    async def say(self, room: Room, sent_at: dict[str, float]) -> None:
        """Send one message and wait until it is acknowledged."""
        key = f"{self._person.user_id[:8]}-{next(_numbers)}"
        sent_at[key] = started = time.perf_counter()
        answer = await self._command(
            "message_send",
            conversation_id=room.conversation_id,
            content=f"{key} ".ljust(_TEXT_BYTES, "x"),
            client_message_id=key,
        )
        if answer.get("type") != "ack":
            self._api.failed(str(answer.get("code", "no answer")))
            return
        self.acks.append(time.perf_counter() - started)
        self._ledger.acknowledged(room.conversation_id, answer["seq"], answer["message_id"])

    async def idle(self, seconds: float) -> None:
        """Stay, and show now and then that the socket lives."""
        ends = time.perf_counter() + seconds
        while (left := ends - time.perf_counter()) > 0:
            await asyncio.sleep(min(left, random.uniform(0.5, 1.5)))  # noqa: S311 - spreads the load
            started = time.perf_counter()
            if (await self._command("ping")).get("type") in {"ack", "pong"}:
                self.acks.append(time.perf_counter() - started)
            else:
                self._api.failed("ping")

    def take(self, sent_at: dict[str, float]) -> None:
        """From now on time what was sent then."""
        self._sent_at = sent_at

    async def close(self) -> None:
        """Leave."""
        if self._connection is not None:
            await self._connection.close()
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _command(self, kind: str, **fields: Any) -> dict[str, Any]:
        assert self._connection is not None
        ref = f"r{next(_numbers)}"
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[ref] = future
        try:
            await self._connection.send(msgspec.json.encode({"type": kind, "ref": ref, **fields}).decode())
            async with asyncio.timeout(_PATIENCE):
                return await future
        except (TimeoutError, websockets.WebSocketException) as error:
            return {"type": "error", "code": type(error).__name__}
        finally:
            self._waiting.pop(ref, None)

    async def _read(self, connection: websockets.ClientConnection) -> None:
        decode = msgspec.json.Decoder().decode
        try:
            async for frame in connection:
                now = time.perf_counter()
                fields = decode(frame)
                if fields["type"] == "event":
                    self._event(fields, now)
                elif (waiting := self._waiting.get(fields.get("ref", ""))) is not None and not waiting.done():
                    waiting.set_result(fields)
        except websockets.WebSocketException:
            self._api.failed("socket closed")

    def _event(self, fields: dict[str, Any], now: float) -> None:
        self._ledger.delivered(self._person.user_id, fields)
        if fields["kind"] != "message_created" or fields["actor_id"] == self._person.user_id:
            return
        key = fields["data"]["message"]["content"].partition(" ")[0]
        started = self._sent_at.get(key)
        if started is not None:
            self.deliveries.append(now - started)

    _sent_at: dict[str, float] = {}  # noqa: RUF012 - replaced before anything is sent
