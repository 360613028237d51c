"""A tiny server in the test's process: logs of conversations, HTTP without a network, a real socket.

It answers for one user, as the HTTP and realtime references say, and misbehaves on demand.
"""

import asyncio
import contextlib
import http
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from secureconnect.client import Backoff, Client, RetryPolicy, Tokens
from secureconnect.kit.ids import new_id

__all__ = ["ME", "NOW", "Sleeper", "World", "envelope", "refusal", "until"]

ME = new_id()
NOW = "2026-01-31T12:00:00.000Z"
Json = dict[str, Any]


def envelope(data: Json, status: int = 200) -> httpx.Response:
    """A success."""
    meta = {"timestamp": NOW, "request_id": "r"}
    return httpx.Response(status, json={"success": True, "data": data, "meta": meta})


def refusal(code: str, status: int, retry_after: int | None = None, **error: Any) -> httpx.Response:
    """A failure."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    body = {
        "success": False,
        "error": {"code": code, "message": "No.", **error},
        "meta": {"timestamp": NOW, "request_id": "r-1"},
    }
    return httpx.Response(status, json=body, headers=headers)


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - conditions of any kind
            await asyncio.sleep(0.001)


class Sleeper:
    """Time that passes at once and is written down."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        if seconds != 1.0:  # the interval at which cursors are written
            self.slept.append(seconds)
        await asyncio.sleep(0)


class World:
    """The server. `url` is known inside `async with world:`."""

    def __init__(self) -> None:
        self.logs: dict[str, list[Json]] = {}
        self.first_seq: dict[str, int] = {}
        self.read_marks: dict[str, int] = {}
        self.gone: set[str] = set()
        self.sockets: list[ServerConnection] = []
        self.hellos: list[Json] = []
        self.commands: list[Json] = []
        self.requests: list[httpx.Request] = []
        self.upgrades: list[Request] = []
        #: Answers to the next upgrades: (status, code, Retry-After); None lets one through.
        self.refuse: deque[tuple[int, str, int | None] | None] = deque()
        #: Called when a command has been done; may give the frames to answer with instead.
        self.before_answer: Callable[[ServerConnection, Json], list[Json] | None] = lambda *_: None
        #: Called before a HTTP request is answered; may answer instead.
        self.intercept: Callable[[httpx.Request], httpx.Response | None] = lambda _request: None
        self.resume_limit = 1000
        self.token = "t1"
        self.refreshes = 0
        self.max_frame_bytes = 262144
        self._server: Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> "World":
        self._server = await serve(
            self._socket, "127.0.0.1", 0, process_request=self._upgrade, compression=None
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @contextlib.asynccontextmanager
    async def client(self, sleeper: Sleeper | None = None, **options: Any) -> AsyncIterator[Client]:
        """A logged-in client that loses no time."""
        tokens = Tokens(
            access_token=self.token,
            refresh_token="r1",
            session_id=new_id(),
            expires_in=900,
            token_type="Bearer",
        )
        options = {
            "tokens": tokens,
            "retry": RetryPolicy(rng=lambda: 0.25),
            "backoff": lambda: Backoff(rng=lambda: 0.25),  # 0.75, 1.5, 3, 6 … s
            **options,
        }
        client = Client(
            self.url, transport=httpx.MockTransport(self.answer), sleep=sleeper or Sleeper(), **options
        )
        async with client:
            yield client

    # ── what happens on the server ──

    def conversation(self, conversation_id: str | None = None, *, events: int = 1) -> str:
        """A conversation whose log has some events."""
        conversation_id = conversation_id or new_id()
        self.logs[conversation_id] = []
        for _ in range(events):
            self.append(conversation_id)
        return conversation_id

    def append(self, conversation_id: str, text: str = "x", key: str | None = None) -> Json:
        """Commit a message without telling anybody."""
        log = self.logs[conversation_id]
        message = {
            "message_id": new_id(),
            "conversation_id": conversation_id,
            "seq": len(log) + 1,
            "sender_id": ME,
            "sender_name": "Me",
            "client_message_id": key,
            "content": text,
            "message_type": "text",
            "metadata": {},
            "sent_at": NOW,
        }
        event = {
            "conversation_id": conversation_id,
            "seq": message["seq"],
            "event_id": message["message_id"],
            "kind": "message_created",
            "actor_id": ME,
            "sent_at": NOW,
            "data": {"message": message},
        }
        log.append(event)
        return event

    async def post(self, conversation_id: str, text: str = "x") -> int:
        """Commit a message and tell every socket; returns its seq."""
        event = self.append(conversation_id, text)
        await self.tell({"type": "event", **event})
        return int(event["seq"])

    async def tell(self, frame: Json) -> None:
        """Send a frame to every socket."""
        for connection in list(self.sockets):
            with contextlib.suppress(ConnectionClosed):
                await connection.send(json.dumps(frame))

    async def close(self, status: int, **reason: Any) -> None:
        """Close every socket."""
        for connection in list(self.sockets):
            await connection.close(status, json.dumps(reason))

    def cut(self) -> None:
        """Break every socket without a word, as a power cut does."""
        for connection in list(self.sockets):
            connection.transport.abort()

    def describe(self, conversation_id: str) -> Json:
        """A Conversation object."""
        last_seq = len(self.logs[conversation_id])
        return {
            "conversation_id": conversation_id,
            "type": "group",
            "title": "G",
            "name": "G",
            "created_by": ME,
            "owner_id": ME,
            "member_count": 1,
            "last_seq": last_seq,
            "settings": {
                "is_e2ee_enabled": False,
                "edit_permission": "members",
                "invite_permission": "admins",
                "post_permission": "members",
                "history_visibility": "all",
                "message_retention_days": 0,
                "message_ttl_seconds": 0,
                "updated_at": NOW,
            },
            "my": {
                "role": "admin",
                "joined_at": NOW,
                "archived": False,
                "first_visible_seq": self.first_seq.get(conversation_id, 1),
                "last_read_seq": self.read_marks.get(conversation_id, 0),
                "last_delivered_seq": 0,
                "unread_count": 0,
            },
            "created_at": NOW,
            "updated_at": NOW,
        }

    # ── HTTP ──

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The handler of the mock transport."""
        self.requests.append(request)
        path = request.url.path
        if (instead := self.intercept(request)) is not None:
            return instead
        if path == "/v1/auth/refresh":
            self.refreshes += 1
            self.token = f"t{self.refreshes + 1}"
            return envelope(
                {
                    "access_token": self.token,
                    "refresh_token": f"r{self.refreshes + 1}",
                    "session_id": new_id(),
                    "expires_in": 900,
                    "token_type": "Bearer",
                }
            )
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return refusal("TOKEN_EXPIRED", 401)
        if path == "/v1/sync":
            return self._sync(request)
        conversation_id = path.split("/")[3]
        if conversation_id not in self.logs or conversation_id in self.gone:
            return refusal("FORBIDDEN", 403)
        if path.endswith("/events"):
            return self._events(request, conversation_id)
        return envelope(self.describe(conversation_id))

    def _sync(self, request: httpx.Request) -> httpx.Response:
        ids = [each for each in self.logs if each not in self.gone]
        start = int(request.url.params.get("cursor", 0))
        end = start + int(request.url.params["limit"])
        rows = [
            {
                "conversation_id": each,
                "type": "group",
                "name": "G",
                "updated_at": NOW,
                "first_seq": self.first_seq.get(each, 1),
                "last_seq": len(self.logs[each]),
                "last_read_seq": self.read_marks.get(each, 0),
                "last_delivered_seq": 0,
                "unread_count": 0,
                "archived": False,
                "is_e2ee_enabled": False,
                "role": "admin",
            }
            for each in ids[start:end]
        ]
        more = end < len(ids)
        tail = {"next_cursor": str(end) if more else None, "has_more": more, "server_time": NOW}
        return envelope({"conversations": rows, **tail})

    def _events(self, request: httpx.Request, conversation_id: str) -> httpx.Response:
        after = int(request.url.params["after_seq"])
        limit = int(request.url.params["limit"])
        first = self.first_seq.get(conversation_id, 1)
        log = [event for event in self.logs[conversation_id] if event["seq"] >= max(first, after + 1)]
        return envelope(
            {
                "events": log[:limit],
                "first_seq": first,
                "last_seq": len(self.logs[conversation_id]),
                "has_more": len(log) > limit,
            }
        )

    # ── the socket ──

    def _upgrade(self, _: ServerConnection, request: Request) -> Response | None:
        self.upgrades.append(request)
        refused = self.refuse.popleft() if self.refuse else None
        if refused is None and request.headers.get("Authorization") != f"Bearer {self.token}":
            refused = (401, "TOKEN_EXPIRED", None)
        if refused is None:
            return None
        status, code, after = refused
        answer = refusal(code, status, after)
        headers = Headers({"Content-Length": str(len(answer.content))})
        if after is not None:
            headers["Retry-After"] = str(after)
        return Response(status, http.HTTPStatus(status).phrase, headers, answer.content)

    async def _socket(self, connection: ServerConnection) -> None:
        welcome = {
            "type": "welcome",
            "connection_id": new_id(),
            "user_id": ME,
            "session_id": new_id(),
            "server_time": NOW,
            "token_expires_at": NOW,
            "ping_interval": 25,
            "idle_timeout": 60,
            "max_frame_bytes": self.max_frame_bytes,
            "protocol": "secureconnect.v1",
        }
        with contextlib.suppress(ConnectionClosed):
            await connection.send(json.dumps(welcome))
            hello = json.loads(await connection.recv())
            self.hellos.append(hello)
            await self._hello(connection, hello)
            self.sockets.append(connection)
            try:
                async for text in connection:
                    await self._command(connection, json.loads(text))
            finally:
                self.sockets.remove(connection)

    async def _hello(self, connection: ServerConnection, hello: Json) -> None:
        results: Json = {}
        missed: list[Json] = []
        for conversation_id, seq in hello.get("resume", {}).items():
            results[conversation_id] = self._resume(conversation_id, seq)
            if results[conversation_id]["recovered"]:
                missed += self.logs[conversation_id][seq:]
        ack = {"type": "ack", "ref": hello["ref"], "resume": results}
        instead = self.before_answer(connection, hello)
        for frame in [ack] if instead is None else instead:
            await connection.send(json.dumps(frame))
        for event in missed:
            await connection.send(json.dumps({"type": "event", **event}))

    def _resume(self, conversation_id: str, seq: int) -> Json:
        if conversation_id not in self.logs or conversation_id in self.gone:
            return {"recovered": False, "last_seq": 0, "reason": "removed"}
        head = len(self.logs[conversation_id])
        reason = None
        if seq > head:
            reason = "ahead"
        elif seq + 1 < self.first_seq.get(conversation_id, 1):
            reason = "truncated"
        elif head - seq > self.resume_limit:
            reason = "too_many"
        return {"recovered": reason is None, "last_seq": head, **({"reason": reason} if reason else {})}

    async def _command(self, connection: ServerConnection, command: Json) -> None:
        self.commands.append(command)
        ref = {"ref": command["ref"]} if "ref" in command else {}
        fields: Json = {}
        if command["type"] == "message_send":
            fields = await self._send(command)
        elif command["type"] == "ping":
            await connection.send(json.dumps({"type": "pong", **ref, "server_time": NOW}))
            return
        elif command["type"] == "subscribe_presence":
            fields = {"presence": [], "denied": []}
        elif command["type"] == "presence_set":
            fields = {"status": command["status"]}
        elif command["type"] == "read":
            fields = {"last_read_seq": command["seq"], "unread_count": 0}
        if ref:
            instead = self.before_answer(connection, command)
            for frame in [{"type": "ack", **ref, **fields}] if instead is None else instead:
                await connection.send(json.dumps(frame))

    async def _send(self, command: Json) -> Json:
        conversation_id, key = command["conversation_id"], command["client_message_id"]
        known = [
            event
            for event in self.logs[conversation_id]
            if event["data"]["message"]["client_message_id"] == key
        ]
        event = known[0] if known else self.append(conversation_id, command["content"], key)
        if not known:
            await self.tell({"type": "event", **event})
        message = event["data"]["message"]
        return {
            "status": 200 if known else 201,
            "message_id": message["message_id"],
            "conversation_id": conversation_id,
            "seq": event["seq"],
            "sent_at": NOW,
            "duplicate": bool(known),
        }
