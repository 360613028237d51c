"""Calls through an SFU, with a stub in place of LiveKit: scenario V24."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest

from tests.scenarios.conftest import Register, Serve
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server
from tests.scenarios.signaling import call, initiate, join, leave, shown, state
from tests.scenarios.steps import Person, group, request

_KEY, _SECRET = "key", "s" * 40


class LiveKit:
    """Answers the room service of LiveKit: remembers what was asked, says who is in which room."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.inside: dict[str, list[str]] = {}
        self.rooms: set[str] = set()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                operation = self.path.rpartition("/")[2]
                if operation != "ListRooms":  # asked again and again
                    stub.asked.append((operation, body))
                answer: dict[str, Any] = {}
                if operation == "CreateRoom":
                    stub.rooms.add(body["name"])
                if operation == "DeleteRoom":
                    stub.rooms.discard(body["room"])
                if operation == "ListRooms":
                    answer["rooms"] = [{"name": each} for each in sorted(stub.rooms)]
                if operation == "ListParticipants":
                    answer["participants"] = [
                        {"identity": each, "joined_at": "1", "state": "ACTIVE"}
                        for each in stub.inside.get(body["room"], [])
                    ]
                payload = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def operations(self) -> list[str]:
        return [operation for operation, _ in self.asked]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def livekit() -> Iterator[LiveKit]:
    made = LiveKit()
    yield made
    made.stop()


def sfu(livekit: LiveKit) -> dict[str, Any]:
    return {
        "livekit_url": livekit.url,
        "livekit_api_key": _KEY,
        "livekit_api_secret": _SECRET,
        "max_participants": 12,
    }


async def hook(server: Server, event: str, room: str, identity: str, secret: str = _SECRET) -> int:
    """A webhook of LiveKit, signed; returns the status."""
    news = {
        "event": event,
        "id": f"EV_{time.monotonic_ns()}",
        "createdAt": str(int(time.time())),
        "room": {"name": room},
        "participant": {"identity": identity},
    }
    body = json.dumps(news).encode()
    claims = {
        "iss": _KEY,
        "nbf": int(time.time()) - 5,
        "exp": int(time.time()) + 60,
        "sha256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
    }
    token = jwt.encode(claims, secret, algorithm="HS256")
    headers = {"authorization": token, "content-type": "application/webhook+json"}
    path = "/v1/calls/livekit/webhook"
    return (await request(server.url, "POST", path, content=body, headers=headers)).status


async def crowd(reg: Register, server: Server, count: int) -> list[Person]:
    return await reg(*(f"p{number}" for number in range(count)), url=server.url)


async def test_v24_calls_through_an_sfu(serve: Serve, reg: Register, livekit: LiveKit) -> None:
    """Ten callees go through it: a room, tokens for it, its news, its end."""
    async with serve(sfu=sfu(livekit), calls={"reaper_interval": 1, "reconnect_window": 3}) as server:
        a, *others = await crowd(reg, server, 11)
        b = others[0]
        g = (await group(a, others))["conversation_id"]
        begun = (await initiate(a, g, others)).ok(201)
        call_id = begun["call_id"]
        assert (begun["topology"], begun["max_participants"]) == ("sfu", 12)
        claims = jwt.decode(begun["sfu"]["token"], _SECRET, algorithms=["HS256"])
        assert (claims["sub"], claims["video"]["room"]) == (a.user_id, call_id)
        assert claims["video"].get("roomAdmin", False) is False
        assert livekit.operations() == ["CreateRoom"]
        livekit.inside[call_id] = [a.user_id, b.user_id]
        assert await hook(server, "participant_joined", call_id, b.user_id, secret="x" * 40) == 401
        assert state(await shown(a, call_id), b)["state"] == "invited"
        assert await hook(server, "participant_joined", call_id, b.user_id) == 200
        found = await shown(a, call_id)
        assert (found["status"], state(found, b)["state"]) == ("active", "joined")
        entrance = (await join(b, call_id)).ok()["sfu"]
        assert jwt.decode(entrance["token"], _SECRET, algorithms=["HS256"])["sub"] == b.user_id

        # No signaling socket: being connected there keeps both in the call, until it says otherwise.
        async def asked() -> bool:
            return livekit.operations().count("ListParticipants") >= 2

        await eventually(asked)
        assert state(await shown(a, call_id), a)["state"] == "joined"
        livekit.inside[call_id] = [a.user_id]
        assert await hook(server, "participant_left", call_id, b.user_id) == 200
        assert state(await shown(a, call_id), b)["state"] == "reconnecting"

        async def gone() -> bool:
            return bool(state(await shown(a, call_id), b)["state"] == "left")

        await eventually(gone)
        (await leave(a, call_id)).ok()

        async def closed() -> bool:
            return "DeleteRoom" in livekit.operations()

        await eventually(closed)


async def test_who_was_removed_does_not_come_back_with_an_old_token(
    serve: Serve, reg: Register, livekit: LiveKit
) -> None:
    """The token would let them into the room for minutes; whoever is not in the call is put out of it."""
    async with serve(sfu=sfu(livekit)) as server:
        a, *others = await crowd(reg, server, 6)
        b, stranger = others[0], others[-1]
        g = (await group(a, others[:-1]))["conversation_id"]
        call_id = (await initiate(a, g, others[:-1])).ok(201)["call_id"]
        assert await hook(server, "participant_joined", call_id, b.user_id) == 200

        def put_out(person: Person) -> int:
            wish = {"room": call_id, "identity": person.user_id}
            return livekit.asked.count(("RemoveParticipant", wish))

        assert put_out(b) == 0
        (await a.delete(f"/v1/conversations/{g}/participants/{b.user_id}")).ok()

        async def once() -> bool:
            return put_out(b) == 1

        await eventually(once)
        assert await hook(server, "participant_joined", call_id, b.user_id) == 200
        assert put_out(b) == 2
        assert await hook(server, "participant_joined", call_id, stranger.user_id) == 200
        assert put_out(stranger) == 1


async def test_v24_what_does_not_fit(serve: Serve, reg: Register, livekit: LiveKit) -> None:
    """More than the SFU takes, before anything exists; a mesh where it is asked for."""
    async with serve(sfu={**sfu(livekit), "max_participants": 5}) as server:
        a, *others = await crowd(reg, server, 6)
        g = (await group(a, others))["conversation_id"]
        refused = await initiate(a, g, others)
        refused.is_error(400, "CALL_CAPACITY_REACHED")
        assert refused.error["message"] == "call capacity limit reached (max 5 participants)"
        assert livekit.asked == []
        begun = (await initiate(a, g, others[:1])).ok(201)
        assert (begun["topology"], begun["sfu"]) == ("mesh", None)


async def test_v24_an_sfu_that_is_away(serve: Serve, reg: Register, livekit: LiveKit) -> None:
    """New calls through it are refused and leave nothing; a mesh goes on."""
    async with serve(sfu=sfu(livekit)) as server:
        a, *others = await crowd(reg, server, 6)
        g = (await group(a, others))["conversation_id"]
        livekit.stop()
        (await initiate(a, g, others)).is_error(503, "SFU_UNAVAILABLE")
        (await initiate(a, g, others[:1], topology="sfu")).is_error(503, "SFU_UNAVAILABLE")
        assert (await a.get("/v1/calls")).ok()["calls"] == []
        await call(a, g, others[:1])


async def test_v24_none_configured(reg: Register) -> None:
    """`sfu` asked for where there is none."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    (await initiate(a, g, [b], topology="sfu")).is_error(403, "FEATURE_DISABLED")
