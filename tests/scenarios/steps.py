"""The shorthand of the acceptance scenarios, over raw HTTP and raw WebSocket frames."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import websockets

from tests.scenarios.published import published

__all__ = [
    "ISSUED",
    "NIL",
    "PASSWORD",
    "SAID",
    "Answer",
    "Chat",
    "Person",
    "SocketGone",
    "direct",
    "events",
    "group",
    "request",
    "send",
    "whole_log",
    "ws",
]

NIL = "00000000-0000-4000-8000-000000000000"
PASSWORD = "Violet-Kettle-42-Rain"
#: Every token that a person of this run was given.
ISSUED: set[str] = set()
#: What people of this run wrote, as far as it is long enough to be nothing else, and the first of it.
SAID: set[str] = set()
_SAID_AT_MOST = 300
_A_TEXT = 12

Frame = dict[str, Any]


@dataclass
class Answer:
    """One HTTP response."""

    status: int
    headers: httpx.Headers
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def data(self) -> Any:
        assert self.body["success"] is True, self.raw
        return self.body["data"]

    @property
    def error(self) -> Any:
        return self.body["error"]

    @property
    def fields(self) -> list[str]:
        """The fields that the details name."""
        return [detail["field"] for detail in self.error.get("details", [])]

    def ok(self, status: int = 200) -> Any:
        """The data of a success with this status."""
        assert self.status == status, (self.status, self.raw)
        self._conventions()
        return self.data

    def is_error(self, status: int, code: str) -> None:
        """`err(S,C)` of the scenarios."""
        assert (self.status, self.body.get("error", {}).get("code")) == (status, code), (
            self.status,
            self.raw,
        )
        assert self.body["success"] is False
        self._conventions()

    def _conventions(self) -> None:
        assert self.body["meta"]["timestamp"].endswith("Z")
        assert self.body["meta"]["request_id"] == self.headers["x-request-id"]


async def request(
    url: str,
    method: str,
    path: str,
    json: Any = None,
    *,
    token: str | None = None,
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
    params: Any = None,
) -> Answer:
    """One request on a connection of its own; no response of a run may be a 500."""
    sent = {**({"authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
    # The servers speak plain HTTP; reading certificates would take most of the time of every request.
    async with httpx.AsyncClient(base_url=url, timeout=30, verify=False) as client:
        response = await client.request(method, path, json=json, headers=sent, content=content, params=params)
    assert response.status_code != 500, response.text
    return Answer(response.status_code, response.headers, response.content)


@dataclass
class Person:
    """A registered user with one session."""

    url: str
    name: str
    email: str
    username: str
    password: str
    user_id: str = ""
    access: str = ""
    refresh: str = ""
    session_id: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def request(self, method: str, path: str, json: Any = None, **options: Any) -> Answer:
        headers = {**self.headers, **options.pop("headers", {})}
        return await request(self.url, method, path, json, token=self.access, headers=headers, **options)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.request("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> Answer:
        return await self.request("POST", path, json, **options)

    async def put(self, path: str, json: Any = None, **options: Any) -> Answer:
        return await self.request("PUT", path, json, **options)

    async def patch(self, path: str, json: Any = None, **options: Any) -> Answer:
        return await self.request("PATCH", path, json, **options)

    async def delete(self, path: str, json: Any = None, **options: Any) -> Answer:
        return await self.request("DELETE", path, json, **options)

    def take(self, data: Any) -> None:
        """Use the tokens of an AuthResult or a refresh."""
        self.access, self.refresh, self.session_id = (
            data["access_token"],
            data["refresh_token"],
            data["session_id"],
        )
        ISSUED.update((self.access, self.refresh))

    async def login(self, **fields: Any) -> "Person":
        """The same user on another device."""
        body = {"email": self.email, "password": self.password, **fields}
        data = (await request(self.url, "POST", "/v1/auth/login", body)).ok()
        other = Person(self.url, self.name, self.email, self.username, self.password, self.user_id)
        other.take(data)
        return other


def stranger(url: str, name: str) -> Person:
    """Somebody who has no account yet."""
    suffix = secrets.token_hex(4)
    return Person(url, name, f"{name}-{suffix}@example.test", f"{name}-{suffix}", PASSWORD)


async def register(person: Person) -> Person:
    """`reg(a)`."""
    body = {
        "email": person.email,
        "username": person.username,
        "password": person.password,
        "display_name": f"User {person.name}",
    }
    data = (await request(person.url, "POST", "/v1/auth/register", body)).ok(201)
    person.user_id = data["user"]["user_id"]
    person.take(data)
    return person


async def direct(a: Person, b: Person) -> Any:
    """The direct conversation of two people."""
    answer = await a.post("/v1/conversations", {"type": "direct", "participant_ids": [a.user_id, b.user_id]})
    assert answer.status in {200, 201}, answer.raw
    return answer.data


async def group(a: Person, others: list[Person], **fields: Any) -> Any:
    """A group made by `a`."""
    members = [a.user_id, *(other.user_id for other in others)]
    body = {"type": "group", "title": "G", "participant_ids": members, **fields}
    return (await a.post("/v1/conversations", body)).ok(201)


async def send(a: Person, conversation_id: str, text: str, key: str | None = None, **fields: Any) -> Answer:
    """One text message."""
    body = {"conversation_id": conversation_id, "content": text, "message_type": "text", **fields}
    if key is not None:
        body["client_message_id"] = key
    if len(text) >= _A_TEXT and len(SAID) < _SAID_AT_MOST:
        SAID.add(text)
    return await a.post("/v1/messages", body)


async def events(a: Person, conversation_id: str, after: int = 0) -> list[Any]:
    """The events above `after`, at most 500."""
    answer = await a.get(f"/v1/conversations/{conversation_id}/events?after_seq={after}&limit=500")
    return list(answer.ok()["events"])


async def whole_log(a: Person, conversation_id: str) -> list[Any]:
    """Every event that `a` may read, page by page."""
    log: list[Any] = []
    while page := await events(a, conversation_id, log[-1]["seq"] if log else 0):
        log += page
    return log


class SocketGone(AssertionError):
    """The server closed the socket before what was waited for."""


class Chat:
    """A chat socket whose every frame is kept in `seen`."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection
        self.seen: list[Frame] = []
        self.commands: dict[str, str] = {}
        self._arrived = asyncio.Condition()
        self._closed = False
        self._refs = 0
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in self.connection:
                async with self._arrived:
                    self.seen.append(json.loads(text))
                    self._arrived.notify_all()
        async with self._arrived:
            self._closed = True
            self._arrived.notify_all()

    async def raw(self, payload: str | bytes) -> None:
        """Send anything."""
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            sent = json.loads(payload)
            self.commands[sent["ref"]] = sent["type"]
        await self.connection.send(payload)

    async def command(self, type: str, **fields: Any) -> Frame:  # noqa: A002 - the name of the field
        """Send a command with a fresh ref and return its ack, error or pong."""
        self._refs += 1
        ref = f"r{self._refs}"
        await self.raw(json.dumps({"type": type, "ref": ref, **fields}))
        return await self.frame(ref=ref)

    async def frame(self, *, timeout: float = 20, after: int = 0, **wanted: Any) -> Frame:
        """The first frame from index `after` whose fields equal `wanted`; waits for it."""
        found: Frame | None = None
        position = after

        def there() -> bool:
            nonlocal found, position
            while position < len(self.seen) and found is None:
                frame = self.seen[position]
                position += 1
                if all(frame.get(name) == value for name, value in wanted.items()):
                    found = frame
            return found is not None or self._closed

        async with asyncio.timeout(timeout), self._arrived:
            await self._arrived.wait_for(there)
        if found is None:
            raise SocketGone(f"closed before {wanted}; seen last: {self.seen[-5:]}")
        return found

    def events(self, conversation_id: str | None = None) -> list[Frame]:
        """Durable events seen so far."""
        return [
            frame
            for frame in self.seen
            if frame["type"] == "event" and conversation_id in {None, frame["conversation_id"]}
        ]

    async def close_code(self, timeout: float = 5) -> int:
        """Wait for the server to close; returns the code."""
        async with asyncio.timeout(timeout):
            await self.connection.wait_closed()
        await self._reader
        assert self.connection.close_code is not None
        return self.connection.close_code

    async def close(self) -> None:
        await self.connection.close()
        await self._reader


@contextlib.asynccontextmanager
async def ws(
    person: Person, *, resume: dict[str, int] | None = None, query: str = "", hello: bool = True
) -> AsyncIterator[Chat]:
    """`ws(A)`: a chat socket that said hello. Every frame that it brings must be a published one."""
    document = await published(person.url)
    url = person.url.replace("http", "ws", 1) + "/v1/ws/chat" + query
    headers = {"authorization": f"Bearer {person.access}", **person.headers}
    async with websockets.connect(
        url, additional_headers=headers, compression=None, max_size=None
    ) as connection:
        chat = Chat(connection)
        await chat.frame(type="welcome")
        if hello:
            fields = {} if resume is None else {"resume": resume}
            answer = await chat.command("hello", **fields)
            assert answer["type"] == "ack", answer
        try:
            yield chat
        finally:
            await chat.close()
        for frame in chat.seen:
            document.check(frame, chat.commands)
