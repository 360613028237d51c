"""Clients that go on while their server is killed again and again, and remember what it promised."""

import asyncio
import contextlib
import json
import random
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx
import websockets

from tests.scenarios.sockets import bearer, chat_url
from tests.scenarios.steps import Person, events

__all__ = ["AWAY", "Acknowledged", "HttpWriter", "Reader", "SocketWriter", "Writer", "check_promises"]

#: What a client meets while its server is down, dying or starting.
AWAY = (httpx.TransportError, websockets.WebSocketException, OSError, EOFError, TimeoutError)

_PAUSE = 0.02
_PATIENCE = 10.0
_AGAIN = {
    "DATABASE_UNAVAILABLE": 503,
    "TIMELINE_UNAVAILABLE": 503,
    "SERVICE_UNAVAILABLE": 503,
    "SHUTTING_DOWN": 503,
    "BAD_GATEWAY": 502,
    "REQUEST_TIMEOUT": 504,
}


class Acknowledged(NamedTuple):
    """What a server promised about one send."""

    seq: int
    message_id: str


class Writer:
    """Sends one message after the other, each with its own key, and repeats it until it is acknowledged."""

    def __init__(self, person: Person, conversation_id: str, chance: random.Random) -> None:
        self.person = person
        self.acked: dict[str, Acknowledged] = {}
        self.repeats = 0
        self.refusals = Counter[str]()
        self._conversation_id = conversation_id
        self._chance = chance
        self._stopped = False

    def stop(self) -> None:
        """Send nothing new; what is open is still repeated."""
        self._stopped = True

    async def run(self) -> None:
        try:
            while not self._stopped:
                key = f"{self.person.name}-{len(self.acked)}"
                self.acked[key] = await self._until_acked(key)
                if self._chance.random() < 0.1:  # nobody told this client that it was acknowledged
                    assert await self._until_acked(key) == self.acked[key]
        finally:
            await self.away()

    async def _until_acked(self, key: str) -> Acknowledged:
        fields = {"conversation_id": self._conversation_id, "content": key, "client_message_id": key}
        while True:
            with contextlib.suppress(*AWAY):
                async with asyncio.timeout(_PATIENCE):
                    answer = await self.send(fields)
                if answer is not None:
                    return answer
            await self.away()
            self.repeats += 1
            await asyncio.sleep(_PAUSE)

    @abstractmethod
    async def send(self, fields: dict[str, str]) -> Acknowledged | None:
        """Try once; None when the server says that it cannot at the moment."""

    @abstractmethod
    async def away(self) -> None:
        """Give the connection up."""


class HttpWriter(Writer):
    """Sends by `POST /v1/messages`."""

    _client: httpx.AsyncClient | None = None

    async def send(self, fields: dict[str, str]) -> Acknowledged | None:
        if self._client is None:
            self._client = httpx.AsyncClient(base_url=self.person.url, verify=False, timeout=_PATIENCE)
        headers = {"authorization": f"Bearer {self.person.access}"}
        response = await self._client.post("/v1/messages", json=fields, headers=headers)
        body = response.json()
        if response.status_code in {200, 201}:
            return Acknowledged(body["data"]["seq"], body["data"]["message_id"])
        assert response.status_code == _AGAIN.get(body["error"]["code"]), body
        assert "retry-after" in response.headers
        self.refusals[body["error"]["code"]] += 1
        return None

    async def away(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


class SocketWriter(Writer):
    """Sends by `message_send`."""

    _connection: websockets.ClientConnection | None = None

    async def send(self, fields: dict[str, str]) -> Acknowledged | None:
        connection = self._connection
        if connection is None:
            url = chat_url(self.person.url)
            connection = await websockets.connect(url, compression=None, **bearer(self.person))
            self._connection = connection
        ref = fields["client_message_id"]
        await connection.send(json.dumps({"type": "message_send", "ref": ref, **fields}))
        while True:
            frame = json.loads(await connection.recv())
            if frame.get("ref") == ref:
                break
        if frame["type"] == "ack":
            return Acknowledged(frame["seq"], frame["message_id"])
        assert frame["code"] in _AGAIN, frame
        self.refusals[frame["code"]] += 1
        return None

    async def away(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.transport.abort()


class Reader:
    """Reads a conversation from its first event, over as many sockets as it takes."""

    def __init__(self, person: Person, conversation_id: str) -> None:
        self.person = person
        self.conversation_id = conversation_id
        self.log: list[dict[str, Any]] = []
        self.sockets = 0
        self._head: int | None = None

    def finish(self, head: int) -> None:
        """Stop once the event `head` is there."""
        self._head = head

    @property
    def last(self) -> int:
        """The seq up to which everything was read."""
        return len(self.log)

    async def run(self) -> None:
        while not self._done:
            with contextlib.suppress(*AWAY):
                url = chat_url(self.person.url)
                async with websockets.connect(url, compression=None, **bearer(self.person)) as connection:
                    self.sockets += 1
                    await self._read(connection)
            await asyncio.sleep(_PAUSE)

    @property
    def _done(self) -> bool:
        return self._head is not None and self.last >= self._head

    async def _read(self, connection: websockets.ClientConnection) -> None:
        resume = {self.conversation_id: self.last}
        await connection.send(json.dumps({"type": "hello", "ref": "h", "resume": resume}))
        while not self._done:
            try:
                async with asyncio.timeout(0.2):  # then look whether this was all
                    frame = json.loads(await connection.recv())
            except TimeoutError:
                continue
            if frame["type"] == "ack":
                await self._fetch(frame["resume"][self.conversation_id])
            elif frame["type"] == "event":
                self._take(frame)

    async def _fetch(self, outcome: dict[str, Any]) -> None:
        """Read over HTTP what the server does not replay."""
        if outcome["recovered"]:
            return
        assert outcome["reason"] in {"too_many", "unavailable"}, outcome
        while self.last < outcome["last_seq"]:
            for event in await events(self.person, self.conversation_id, self.last):
                if event["seq"] <= outcome["last_seq"]:
                    self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        assert event["seq"] == self.last + 1, (event["seq"], self.last)
        self.log.append({name: value for name, value in event.items() if name != "type"})


def check_promises(
    log: Sequence[dict[str, Any]], writers: Sequence[Writer], readers: Sequence[Reader]
) -> dict[tuple[str, str], Acknowledged]:
    """No seq is missing, everybody saw the same order, and each acknowledged message is there exactly once.

    Returns:
        The promises, by sender and text.
    """
    assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
    for reader in readers:
        assert reader.log == log
    found = Counter(
        (event["actor_id"], event["data"]["message"]["content"])
        for event in log
        if event["kind"] == "message_created"
    )
    assert set(found.values()) == {1}, "a message is there twice"
    promised = {(writer.person.user_id, key): ack for writer in writers for key, ack in writer.acked.items()}
    assert found.keys() == promised.keys(), "everything was repeated until it was acknowledged"
    for (user_id, key), ack in promised.items():
        event = log[ack.seq - 1]
        assert (event["actor_id"], event["data"]["message"]["content"]) == (user_id, key)
        assert event["data"]["message"]["message_id"] == ack.message_id
    return promised
