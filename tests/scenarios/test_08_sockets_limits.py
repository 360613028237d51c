"""Sockets: scenarios S13 to S15 and S17 to S19, limits, silence, and the ends that the server sets."""

import asyncio
import contextlib
import json
import time
from datetime import datetime

import pytest
import websockets

from tests.scenarios.conftest import Register, Serve
from tests.scenarios.metrics import metric
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server
from tests.scenarios.sockets import Idle, bearer, close_reason, refused
from tests.scenarios.steps import Person, direct, request, send, ws

QUICK = {"ping_interval": 0.25, "idle_timeout": 1}


async def sockets_settle(server: Server, count: int) -> None:
    async def settled() -> bool:
        chats = await metric(server, "websocket_connections_active", kind="chat")
        return chats == count == await metric(server, "websocket_connections")

    await eventually(settled)


async def test_s13_sockets_of_a_user(serve: Serve, reg: Register) -> None:
    """20 sockets of A, the 21st is refused; one closes, another fits; the count follows and returns to 0."""
    async with serve() as server:
        a, b = await reg("a", "b", url=server.url)
        async with contextlib.AsyncExitStack() as stack:
            chats = [await stack.enter_async_context(ws(a)) for _ in range(20)]
            await sockets_settle(server, 20)
            answer = await refused(a.url, **bearer(a))
            answer.is_error(429, "USER_CONNECTION_LIMIT")
            await stack.enter_async_context(ws(b))
            await sockets_settle(server, 21)
            await chats[0].close()
            await sockets_settle(server, 20)
            await stack.enter_async_context(ws(a))
            (await refused(a.url, **bearer(a))).is_error(429, "USER_CONNECTION_LIMIT")
        await sockets_settle(server, 0)


async def test_s13_sockets_of_everybody(serve: Serve, reg: Register) -> None:
    """[realtime.max_sockets=5] The 6th socket of anybody is refused with Retry-After until one is closed."""
    async with serve(realtime={"max_sockets": 5}) as server:
        a, b = await reg("a", "b", url=server.url)
        async with contextlib.AsyncExitStack() as stack:
            chats = [await stack.enter_async_context(ws(person)) for person in (a, a, a, b, b)]
            answer = await refused(b.url, **bearer(b))
            answer.is_error(503, "TOO_MANY_CONNECTIONS")
            assert 1 <= int(answer.headers["retry-after"]) <= 10
            await sockets_settle(server, 5)
            await chats[2].close()
            await sockets_settle(server, 4)
            await stack.enter_async_context(ws(b))
        await sockets_settle(server, 0)


async def test_s14_signs_of_life(serve: Serve, reg: Register) -> None:
    """[ping every 0.25 s, idle 1 s] Who answers no ping is closed with 4504; who only answers pings stays."""
    async with serve(realtime=QUICK) as server:
        a, b = await reg("a", "b", url=server.url)
        async with ws(a) as silent, Idle.of(b, server.port) as dead:
            started = time.monotonic()
            seen = [frame["type"] async for frame in dead.frames()]
            took = time.monotonic() - started
            assert seen == ["welcome"]
            assert (dead.close_code, close_reason(dead.close_reason)) == (4504, {"code": "idle_timeout"})
            assert 0.9 <= took <= 3
            while time.monotonic() - started < 3:
                await asyncio.wait_for(await silent.connection.ping(), 5)
            assert (await silent.command("ping"))["type"] == "pong"
            assert len(silent.seen) == 3, "welcome, ack, pong"


async def test_s15_frames_too_large_or_of_no_use(reg: Register) -> None:
    """262,145 bytes: 4009; a binary frame: 4007; the 10th malformed frame: 4007."""
    a, b = await reg("a", "b")
    async with ws(a) as chat:
        frame = {"type": "ping", "ref": "big", "ts": ""}
        largest = 262_144 - len(json.dumps(frame))
        await chat.raw(json.dumps({**frame, "ts": "x" * largest}))
        assert len((await chat.frame(ref="big"))["ts"]) == largest
        await chat.raw(json.dumps({**frame, "ts": "x" * (largest + 1)}))
        assert await chat.close_code() in {4009, 1009}
    async with ws(a) as chat:
        await chat.raw(b'{"type":"ping","ref":"r"}')
        assert await chat.close_code() == 4007
        assert close_reason(chat.connection.close_reason) == {"code": "policy"}
    async with ws(a) as chat, ws(b) as other:
        nonsense = ["{", "[]", "null", '"x"', "1", "{}}", '{"type":', "", "\ufeff{}", '{"a":1,}']
        for count, text in enumerate(nonsense):
            assert chat.connection.state is websockets.State.OPEN, count
            await chat.raw(text)
            if count < 9:
                assert (await chat.command("ping"))["type"] == "pong"
        assert await chat.close_code() == 4007
        errors = [frame for frame in chat.seen if frame["type"] == "error"]
        assert [error["code"] for error in errors] == ["VALIDATION_ERROR"] * 10
        assert (await other.command("ping"))["type"] == "pong"


def seconds_of(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


async def fresh_token(person: Person) -> str:
    answer = await request(person.url, "POST", "/v1/auth/refresh", {"refresh_token": person.refresh})
    person.take(answer.ok())
    return person.access


async def test_s17_a_token_is_about_to_expire(serve: Serve, reg: Register) -> None:
    """[auth.access_ttl=62] The frame comes 60 s before, once; a refreshed token is told about again."""
    async with serve(auth={"access_ttl": 62}) as server:
        (a,) = await reg("a", url=server.url)
        async with ws(a) as chat:
            expires = chat.seen[0]["token_expires_at"]
            told = await chat.frame(type="token_expiring", timeout=10)
            assert told["expires_at"] == expires
            assert 58 <= seconds_of(expires) - time.time() <= 60.5
            at = len(chat.seen)
            ack = await chat.command("token_refresh", access_token=await fresh_token(a))
            assert ack["token_expires_at"] > expires
            told = await chat.frame(type="token_expiring", after=at, timeout=10)
            assert told["expires_at"] == ack["token_expires_at"]
            assert [frame["type"] for frame in chat.seen].count("token_expiring") == 2


async def test_s17_a_token_that_expires(serve: Serve, reg: Register) -> None:
    """[auth.access_ttl=4] The socket that refreshed goes on; the other closes with 4002."""
    async with serve(auth={"access_ttl": 4}) as server:
        a, b = await reg("a", "b", url=server.url)
        async with ws(a) as kept, ws(a) as left:
            ends = seconds_of(left.seen[0]["token_expires_at"])

            async def half_over() -> bool:
                return time.time() > ends - 2

            await eventually(half_over)
            ack = await kept.command("token_refresh", access_token=await fresh_token(a))
            assert seconds_of(ack["token_expires_at"]) > ends + 1
            assert await left.close_code(10) == 4002
            assert close_reason(left.connection.close_reason) == {"code": "token_expired"}
            assert time.time() >= ends
            assert (await kept.command("ping"))["type"] == "pong"
            assert await kept.close_code(10) == 4002
        assert time.time() >= seconds_of(ack["token_expires_at"])
        assert b.access


async def test_s17_tokens_of_others_do_not_refresh(reg: Register) -> None:
    """Another user's token, or one of another session, ends the socket: 4001."""
    a, b = await reg("a", "b")
    for token in (b.access, (await a.login()).access, "nonsense"):
        async with ws(a) as chat:
            answer = await chat.command("token_refresh", access_token=token)
            assert (answer["type"], answer["code"]) == ("error", "UNAUTHORIZED")
            assert await chat.close_code() == 4001


@pytest.mark.parametrize("how", ["logout", "session delete", "password change"])
async def test_s18_a_session_ends(reg: Register, how: str) -> None:
    """The sockets of an ended session close with 4003 within 2 s; those of the other session stay."""
    (a,) = await reg("a")
    other = await a.login()
    async with ws(a) as kept, ws(other) as first, ws(other) as second:
        started = time.monotonic()
        if how == "logout":
            (await other.post("/v1/auth/logout", {})).ok()
        elif how == "session delete":
            (await a.delete(f"/v1/auth/sessions/{other.session_id}")).ok()
        else:
            body = {"old_password": a.password, "new_password": "Amber-Violin-73-Frost"}
            (await a.post("/v1/users/me/password", body)).ok()
        for chat in (first, second):
            assert await chat.close_code(2) == 4003
            assert close_reason(chat.connection.close_reason) == {"code": "session_revoked"}
        assert time.monotonic() - started < 4, "the request itself, and 2 s"
        assert (await kept.command("ping"))["type"] == "pong"
        (await refused(other.url, **bearer(other))).is_error(401, "TOKEN_REVOKED")


async def test_s19_too_many_commands(serve: Serve, reg: Register) -> None:
    """300 commands at once: all beyond the burst are refused, and more than 200 refusals close with 4529."""
    async with serve(rate_limits={"enabled": True}) as server:
        a, b = await reg("a", "b", url=server.url)
        async with ws(a) as chat, ws(b) as other:
            for number in range(300):
                await chat.raw(json.dumps({"type": "ping", "ref": f"p{number}"}))
            assert await chat.close_code() == 4529
            reason = close_reason(chat.connection.close_reason)
            assert reason["code"] == "rate_limited"
            assert reason["retry_after_ms"] >= 10_000
            pongs = [frame for frame in chat.seen if frame["type"] == "pong"]
            errors = [frame for frame in chat.seen if frame["type"] == "error"]
            assert 59 <= len(pongs) <= 95, "a burst of 60, of which hello took one, and 20 per second"
            assert len(errors) == 201
            assert {error["code"] for error in errors} == {"RATE_LIMIT_EXCEEDED"}
            assert all(error["retry_after"] >= 1 and "ref" in error for error in errors)
            assert (await other.command("ping"))["type"] == "pong"


async def test_s19_socket_and_http_share_counters(serve: Serve, reg: Register) -> None:
    """[rate_limits.messages=5] What was sent by HTTP counts for `message_send`, and the other way round."""
    async with serve(rate_limits={"enabled": True, "messages": 5}) as server:
        a, b = await reg("a", "b", url=server.url)
        g = (await direct(a, b))["conversation_id"]
        async with ws(a) as chat:
            for number in range(3):
                (await send(a, g, f"{number}")).ok(201)
            for number in range(2):
                ack = await chat.command("message_send", conversation_id=g, content=f"{number}")
                assert ack["type"] == "ack"
            error = await chat.command("message_send", conversation_id=g, content="too many")
            assert (error["type"], error["code"]) == ("error", "RATE_LIMIT_EXCEEDED")
            assert 1 <= error["retry_after"] <= 60
            (await send(a, g, "too many")).is_error(429, "RATE_LIMIT_EXCEEDED")
