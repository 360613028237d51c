"""Redis goes away, from both processes (X1) or from one (X9), dead or silent: the product goes on."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.processes.pair import Pair, at, lines, metric, readiness, two_processes
from tests.scenarios.patience import eventually
from tests.scenarios.steps import Person, direct, events, group, register, send, stranger, ws

pytestmark = pytest.mark.faults


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with two_processes(tmp_path) as started:
        yield started


Way = Callable[[Pair], Awaitable[None]]


async def die(pair: Pair) -> None:
    await asyncio.to_thread(pair.stores.redis.kill)


async def rise(pair: Pair) -> None:
    await asyncio.to_thread(pair.stores.redis.start)


async def hang(pair: Pair) -> None:
    pair.stores.redis.pause()


async def wake(pair: Pair) -> None:
    pair.stores.redis.resume()


async def cut_one(pair: Pair) -> None:
    await pair.cables[0].cut()


async def lay_one(pair: Pair) -> None:
    await pair.cables[0].lay()


async def silence_one(pair: Pair) -> None:
    pair.cables[0].silence()


async def resound_one(pair: Pair) -> None:
    pair.cables[0].resound()


WAYS: dict[str, tuple[Way, Way]] = {
    "dies": (die, rise),
    "hangs": (hang, wake),
    "is cut from one": (cut_one, lay_one),
    "is silent to one": (silence_one, resound_one),
}


async def degraded(pair: Pair) -> float:
    return await metric(pair.one, "redis_degraded_mode")


@pytest.mark.parametrize("way", WAYS)
async def test_the_product_goes_on_without_redis(pair: Pair, way: str) -> None:
    """X1 and X9. Times are printed; what is asserted is what arrives, once, and that all recovers alone."""
    end, begin = WAYS[way]
    ann = await register(stranger(pair.one.url, "ann"))
    ben = at(pair.two, await register(stranger(pair.one.url, "ben")))
    cleo = await register(stranger(pair.one.url, "cleo"))
    other = at(pair.two, await at(pair.one, ann).login())
    chat = (await direct(ann, ben))["conversation_id"]
    async with contextlib.AsyncExitStack() as stack:
        here, there = await stack.enter_async_context(ws(ann)), await stack.enter_async_context(ws(ben))
        # With Redis: at once, in both directions.
        (await send(ann, chat, "before")).ok(201)
        await there.frame(type="event", seq=2)
        (await send(ben, chat, "and back")).ok(201)
        await here.frame(type="event", seq=3)
        elsewhere = await stack.enter_async_context(ws(other))
        await end(pair)
        began = time.monotonic()
        (await send(ann, chat, "without")).ok(201)
        await there.frame(type="event", seq=4, timeout=15)
        print(f"{way}: first event after {time.monotonic() - began:.1f} s")
        await eventually(lambda: _is(degraded(pair), 1.0))
        # What is done on one side shows on the other.
        for text in ("a", "b", "c"):
            started = time.monotonic()
            (await send(ben, chat, text)).ok(201)
            seq = 5 + "abc".index(text)
            await here.frame(type="event", seq=seq, timeout=15)
            print(f"{way}: event after {time.monotonic() - started:.1f} s")
        room = (await group(ann, [ben, cleo]))["conversation_id"]
        await there.frame(type="conversation_added", timeout=15)
        await _everyday(ann, ben)
        # A session ended over there is refused here, and its socket closes.
        started = time.monotonic()
        (await ann.delete(f"/v1/auth/sessions/{other.session_id}")).ok()
        await eventually(lambda: _refused(other), seconds=15)
        print(f"{way}: session refused after {time.monotonic() - started:.1f} s")
        assert await elsewhere.close_code(timeout=15) == 4003
        print(f"{way}: socket closed after {time.monotonic() - started:.1f} s")
        state = await readiness(pair.one)
        assert (state["code"], state["status"]) == (200, "degraded")
        assert state["dependencies"]["redis"]["status"] == "down"
        if way in ("dies", "is cut from one"):
            assert await metric(pair.one, "dependency_up", dependency="redis") == 0
        assert await metric(pair.one, "circuit_breaker_state", dependency="redis") > 0
        # And back, without a restart.
        await begin(pair)
        began = time.monotonic()
        for piece in pair.pieces:
            await eventually(lambda piece=piece: _is(metric(piece, "redis_degraded_mode"), 0.0))  # type: ignore[misc]
        print(f"{way}: recovered after {time.monotonic() - began:.1f} s")
        (await send(ann, room, "after")).ok(201)
        await there.frame(type="event", conversation_id=room, seq=2, timeout=15)
        (await send(ann, chat, "after")).ok(201)
        await there.frame(type="event", conversation_id=chat, seq=9, timeout=15)
        await here.frame(type="event", conversation_id=chat, seq=9, timeout=15)
        for socket in (here, there):
            assert [event["seq"] for event in socket.events(chat)] == list(range(2, 10))
    caught_up = [await metric(piece, "bus_catchup_events_total") for piece in pair.pieces]
    assert caught_up[1] > 0
    (down,) = lines(pair.one, level="warn", dependency="redis", message="dependency is down")
    (back,) = lines(pair.one, level="info", dependency="redis", message="dependency is back")
    assert down["timestamp"] < back["timestamp"]
    assert back["duration_s"] > 0


async def _everyday(ann: Person, ben: Person) -> None:
    """Login, refresh, logout, read, friends, files and polls work."""
    again = await ann.login()
    refreshed = (await again.post("/v1/auth/refresh", {"refresh_token": again.refresh})).ok()
    again.take(refreshed)
    (await again.post("/v1/auth/logout", {})).ok()
    chat = (await direct(ann, ben))["conversation_id"]
    assert await events(ann, chat)
    (await ann.post(f"/v1/conversations/{chat}/read", {"seq": 2})).ok()
    assert (await ann.post(f"/v1/users/{ben.user_id}/friend")).status in {200, 201}
    poll = {
        "conversation_id": chat,
        "question": "Still there?",
        "options": ["Yes", "No"],
        "poll_type": "single",
    }
    (await ann.post("/v1/polls", poll)).ok(201)
    upload = {"file_name": "a.txt", "file_size": 3, "content_type": "text/plain"}
    (await ann.post("/v1/storage/upload-url", upload)).ok()
    (await ann.post("/v1/ws/tickets")).ok(201)


async def _is(value: Awaitable[float], wanted: float) -> bool:
    return await value == wanted


async def _refused(person: Person) -> bool:
    return (await person.get("/v1/users/me")).status == 401
