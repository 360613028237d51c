"""The Sfu port against a real LiveKit server; participants are signaling connections of its protocol."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from secureconnect.app.settings import load
from secureconnect.app.wiring.media import sfu
from secureconnect.infra.sfu.base import Sfu, SfuPass, SfuUnavailable, WebhookRefused
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import SystemClock
from stack.livekit import LiveKitServer
from stack.server import MissingProgram
from tests.contract.webhook_sink import webhook_sink

CLOCK = SystemClock()
PATIENCE = 10.0


@pytest.fixture(scope="module")
def livekit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKitServer]:
    try:
        server = LiveKitServer(tmp_path_factory.mktemp("livekit"))
    except MissingProgram as missing:
        pytest.skip(str(missing))
    with server:
        yield server


def adapter(server: LiveKitServer, metrics: Metrics | None = None, *, secret: str | None = None) -> Sfu:
    environ = {
        "SECURECONNECT__SFU__LIVEKIT_URL": server.url,
        "SECURECONNECT__SFU__LIVEKIT_API_KEY": server.api_key,
        "SECURECONNECT__SFU__LIVEKIT_API_SECRET": secret or server.api_secret,
        "SECURECONNECT__RESILIENCE__BREAKER_FAILURES": "1000",
    }
    return sfu(load(environ=environ).settings, metrics or Metrics("test", "0"), CLOCK)


@pytest.fixture
async def rooms(livekit: LiveKitServer) -> AsyncIterator[Sfu]:
    made = adapter(livekit)
    yield made
    await made.close()


@contextlib.asynccontextmanager
async def connected(entry: SfuPass) -> AsyncIterator[websockets.ClientConnection]:
    """Somebody in the room, once the server has said so."""
    url = f"{entry.url}/rtc?access_token={entry.token}&protocol=15"
    async with websockets.connect(url) as socket:
        await socket.recv()
        yield socket


async def refused(entry: SfuPass) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with connected(entry):
            pass
    return caught.value.response.status_code


async def ended(socket: websockets.ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(PATIENCE):
            while True:
                await socket.recv()


def entry(rooms: Sfu, room: str, who: str, *, now: int | None = None) -> SfuPass:
    return rooms.admit(room, who, now=CLOCK.now() if now is None else now)


async def names(rooms: Sfu, room: str) -> list[str]:
    return sorted(one.user_id for one in await rooms.participants(room))


async def test_a_pass_admits_one_user_to_one_open_room(rooms: Sfu, livekit: LiveKitServer) -> None:
    assert rooms.configured
    assert await refused(entry(rooms, "closed", "ann")) == 404
    await rooms.open_room("first", max_participants=2)
    given = entry(rooms, "first", "ann")
    assert (given.url, given.expires_in) == (livekit.url, 600)
    before = CLOCK.now()
    async with connected(given):
        (ann,) = await rooms.participants("first")
        assert ann.user_id == "ann"
        assert before - 2000 <= ann.joined_at <= CLOCK.now()
    assert await refused(entry(rooms, "first", "ann", now=CLOCK.now() - 11 * 60_000)) == 401
    await rooms.close_room("first")


async def test_a_room_takes_as_many_as_it_was_opened_for(rooms: Sfu) -> None:
    await rooms.open_room("full", max_participants=2)
    await rooms.open_room("full", max_participants=50)
    assert (await rooms.rooms()).count("full") == 1
    async with connected(entry(rooms, "full", "ann")), connected(entry(rooms, "full", "ben")):
        assert await names(rooms, "full") == ["ann", "ben"]
        assert await refused(entry(rooms, "full", "cat")) >= 400
        assert await names(rooms, "full") == ["ann", "ben"]
    await rooms.close_room("full")


async def test_a_second_connection_replaces_the_first(rooms: Sfu) -> None:
    await rooms.open_room("twice", max_participants=2)
    async with connected(entry(rooms, "twice", "ann")) as first, connected(entry(rooms, "twice", "ann")):
        await ended(first)
        assert await names(rooms, "twice") == ["ann"]
    await rooms.close_room("twice")


async def test_removing_and_closing_end_connections(rooms: Sfu) -> None:
    await rooms.open_room("ending", max_participants=3)
    async with (
        connected(entry(rooms, "ending", "ann")) as ann,
        connected(entry(rooms, "ending", "ben")) as ben,
    ):
        await rooms.remove("ending", "ann")
        await ended(ann)
        assert await names(rooms, "ending") == ["ben"]
        await rooms.close_room("ending")
        await ended(ben)
    assert await names(rooms, "ending") == []
    assert "ending" not in await rooms.rooms()
    assert await refused(entry(rooms, "ending", "ben")) == 404


async def test_what_is_not_there_is_as_wanted(rooms: Sfu) -> None:
    assert await rooms.participants("nowhere") == ()
    await rooms.remove("nowhere", "ann")
    await rooms.close_room("nowhere")
    await rooms.open_room("empty", max_participants=2)
    await rooms.remove("empty", "ann")
    assert await rooms.participants("empty") == ()
    await rooms.close_room("empty")


async def test_it_says_whether_it_answers(livekit: LiveKitServer) -> None:
    metrics = Metrics("test", "0")
    rooms = adapter(livekit, metrics)
    assert 0 < (await rooms.ping() or 0) < PATIENCE
    await rooms.close()
    stranger = adapter(livekit, metrics, secret="another secret of thirty-two characters")
    with pytest.raises(SfuUnavailable, match="401"):
        await stranger.ping()
    with pytest.raises(SfuUnavailable):
        await stranger.open_room("foreign", max_participants=2)
    await stranger.close()
    text = metrics.exposition().decode()
    assert 'sfu_requests_total{operation="ping",result="ok",service="test"} 1.0' in text
    assert 'sfu_requests_total{operation="ping",result="error",service="test"} 1.0' in text


async def test_a_server_that_is_gone_and_comes_back(livekit: LiveKitServer, rooms: Sfu) -> None:
    await asyncio.to_thread(livekit.kill)
    with pytest.raises(SfuUnavailable):
        await rooms.open_room("later", max_participants=2)
    with pytest.raises(SfuUnavailable):
        await rooms.ping()
    await asyncio.to_thread(livekit.start)
    await rooms.open_room("later", max_participants=2)
    await rooms.close_room("later")


async def test_what_the_server_tells(
    tmp_path_factory: pytest.TempPathFactory, livekit: LiveKitServer
) -> None:
    async with webhook_sink() as sink:
        server = LiveKitServer(tmp_path_factory.mktemp("telling"), webhook_url=sink.url)
        await asyncio.to_thread(server.start)
        rooms = adapter(server)
        try:
            await rooms.open_room("told", max_participants=2)
            await rooms.close_room("told")
            await sink.until(lambda posted: any(b"room_finished" in one.body for one in posted))
        finally:
            await rooms.close()
            await asyncio.to_thread(server.close)
    now = CLOCK.now()
    events = [rooms.read_webhook(one.body, one.authorization, now=now) for one in sink.posted]
    assert [(event.kind, event.room, event.user_id) for event in events] == [
        ("room_started", "told", None),
        ("room_finished", "told", None),
    ]
    assert len({event.event_id for event in events}) == 2
    assert all(now - 60_000 < event.at <= now for event in events)
    one = sink.posted[0]
    for body, token, when in (
        (one.body.replace(b"told", b"tell"), one.authorization, now),
        (one.body, sink.posted[1].authorization, now),
        (one.body, one.authorization, now + 3_600_000),
        (one.body, "", now),
    ):
        with pytest.raises(WebhookRefused):
            rooms.read_webhook(body, token, now=when)
    stranger = adapter(livekit, secret="another secret of thirty-two characters")
    with pytest.raises(WebhookRefused):
        stranger.read_webhook(one.body, one.authorization, now=now)
