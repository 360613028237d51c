"""The connection: what every close code and refusal leads to."""

import httpx
import pytest

from secureconnect.client import (
    ApiFailure,
    Backoff,
    ConnectionChanged,
    ConnectionLost,
    ConnectionState,
    Event,
    NotFound,
    NotLoggedIn,
    SessionEnded,
    SocketClosed,
)
from secureconnect.kit.ids import new_id
from tests.unit.client.streams import until_kind
from tests.unit.client.world import Sleeper, World, refusal, until


@pytest.mark.parametrize("code", [4001, 4003, 4004, 4005, 4007, 4009, 4010, 4300, 1009])
async def test_codes_that_forbid_to_reconnect(world: World, code: int) -> None:
    async with world.client() as client, client.chat() as chat:
        await world.close(code, code="why")
        with pytest.raises(SocketClosed) as caught:
            await until_kind(chat, Event)
        assert (caught.value.code, caught.value.name) == (code, "why")
        assert chat.state is ConnectionState.STOPPED
        with pytest.raises(SocketClosed):
            await chat.send(new_id(), "x")
    assert len(world.upgrades) == 1


@pytest.mark.parametrize(
    ("code", "reason", "pauses"),
    [
        (1001, {}, [0.75]),
        (1011, {}, [0.75]),
        (1000, {}, [0.75]),
        (4500, {}, [0.75]),
        (4501, {"retry_after_ms": 2500}, [2.5]),
        (4503, {}, [0.75]),
        (4504, {}, [0.75]),
        (4529, {"retry_after_ms": 10_000}, [10]),
        (4999, {}, [0.75]),
        (4008, {}, []),
    ],
)
async def test_codes_that_want_a_reconnect(
    world: World, code: int, reason: dict[str, int], pauses: list[float]
) -> None:
    sleeper = Sleeper()
    async with world.client(sleeper) as client, client.chat() as chat:
        await world.close(code, code="why", **reason)
        await until(lambda: len(world.hellos) == 2)
        await until(lambda: chat.state is ConnectionState.CONNECTED)
        assert sleeper.slept == pauses
    assert world.refreshes == 0


async def test_an_expired_token_is_refreshed_before_the_reconnect(world: World) -> None:
    sleeper = Sleeper()
    async with world.client(sleeper) as client, client.chat() as chat:
        await world.close(4002, code="token_expired")
        await until(lambda: len(world.hellos) == 2)
        await until(lambda: chat.state is ConnectionState.CONNECTED)
    assert world.refreshes == 1
    assert world.upgrades[1].headers["Authorization"] == "Bearer t2"


async def test_a_session_that_cannot_be_refreshed_stops_the_chat(world: World) -> None:
    world.intercept = lambda r: refusal("TOKEN_REUSED", 401) if "refresh" in r.url.path else None
    async with world.client() as client, client.chat() as chat:
        await world.close(4002, code="token_expired")
        with pytest.raises(SessionEnded):
            await until_kind(chat, Event)


async def test_no_hot_loop_when_reconnecting_at_once_does_not_help(world: World) -> None:
    sleeper = Sleeper()
    states: list[ConnectionState] = []
    async with world.client(sleeper) as client, client.chat() as chat:
        for _ in range(3):
            await until(lambda: bool(world.sockets))
            hellos = len(world.hellos)
            await world.close(4008, code="slow_consumer")
            await until(lambda before=hellos: len(world.hellos) > before)  # type: ignore[misc]
        await until(lambda: chat.state is ConnectionState.CONNECTED)
        await chat.aclose()
        async for item in chat.incoming():
            assert isinstance(item, ConnectionChanged)
            states.append(item.state)
    assert states.count(ConnectionState.CONNECTED) == 4
    assert states.count(ConnectionState.WAITING) == 2  # the first one came back at once


async def test_refused_upgrades_wait_or_stop(world: World) -> None:
    sleeper = Sleeper()
    async with world.client(sleeper) as client, client.chat() as chat:
        world.refuse.extend(
            [(503, "SHUTTING_DOWN", 3), (429, "USER_CONNECTION_LIMIT", None), (401, "TOKEN_EXPIRED", None)]
        )
        world.cut()
        await until(lambda: len(world.hellos) == 2)
        assert sleeper.slept == [0.75, 3, 1.5]
        assert world.refreshes == 1
        world.refuse.append((403, "FORBIDDEN", None))
        world.cut()
        with pytest.raises(ApiFailure, match="FORBIDDEN"):
            await until_kind(chat, Event)


async def test_delays_grow_with_jitter_and_start_anew_after_a_long_connection() -> None:
    numbers = iter([0.5] * 7 + [0.0, 0.999])
    backoff = Backoff(rng=lambda: next(numbers))
    assert [backoff.next() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    backoff.lived(59.9)
    assert backoff.next() == 15
    backoff.lived(60)
    assert 1.49 < backoff.next() < 1.5


async def test_unknown_frames_are_passed_on_and_broken_ones_end_the_connection(world: World) -> None:
    async with world.client() as client, client.chat() as chat:
        await world.tell({"type": "frame_of_the_future", "x": 1})
        await world.tell({"type": "event", "seq": "one"})
        await until(lambda: len(world.hellos) == 2)
        await until(lambda: chat.state is ConnectionState.CONNECTED)


async def test_a_chat_without_login_says_so(world: World) -> None:
    async with world.client(tokens=None) as client:
        with pytest.raises(NotLoggedIn):
            await client.chat().start()


async def test_a_server_that_cannot_be_reached_in_time(world: World) -> None:
    def unreachable(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    world.intercept = unreachable
    async with world.client() as client:
        with pytest.raises(ConnectionLost, match=r"no connection within .*: cannot reach the server"):
            await client.chat().start(timeout=0.05)


async def test_not_found_stops(world: World) -> None:
    world.refuse.append((404, "NOT_FOUND", None))
    async with world.client() as client:
        with pytest.raises(NotFound):
            await client.chat().start()
