"""Every example of docs/how-to/calls.md does what the page says; the sound is real."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aioice.ice
import pytest

from secureconnect.client import Client
from secureconnect.client.media import MeshCall, RemoteTrack, Tone
from stack.certificates import make_certificate
from stack.coturn import Coturn
from stack.server import MissingProgram
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server, running
from tests.scenarios.steps import PASSWORD, Person, direct, group, register, stranger
from tests.unit.client_media.hearing import hertz

# Sound in real time, which wants a machine of its own.
pytestmark = pytest.mark.browser

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "calls.md"
PATIENCE = 120.0


@pytest.fixture
def page() -> dict[str, Any]:
    """The names that the page's code defines, read from top to bottom."""
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    return names


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Media stays on this machine."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])


@contextlib.asynccontextmanager
async def logged_in(person: Person) -> AsyncIterator[Client]:
    async with Client(person.url) as client:
        await client.auth.login(username=person.username, password=PASSWORD)
        yield client


async def online(person: Person) -> None:
    async def there() -> bool:
        return bool((await person.get("/v1/users/me")).ok()["status"] == "online")

    await eventually(there)


@contextlib.asynccontextmanager
async def answering(page: dict[str, Any], person: Person) -> AsyncIterator[None]:
    """The bot of the page, for the length of the block."""
    robot = asyncio.create_task(page["answer_everybody"](person.url, person.username, PASSWORD))
    try:
        await online(person)
        yield
        assert not robot.done(), robot
    finally:
        robot.cancel()
        await asyncio.wait([robot])


async def test_a_bot_that_answers_with_a_tone(page: dict[str, Any], server: Server) -> None:
    ann, ben = [await register(stranger(server.url, name)) for name in ("ann", "ben")]
    async with asyncio.timeout(PATIENCE), answering(page, ben), logged_in(ann) as client:
        assert await page["listen"](client, ben.user_id, 1.0) > 10

        async def over() -> bool:
            (call,) = (await client.calls.list()).items
            return (call.status, call.end_reason) == ("ended", "hangup")

        await eventually(over)
        heard: asyncio.Queue[RemoteTrack] = asyncio.Queue()
        chat = await direct(ann, ben)
        placed = await client.calls.initiate(chat["conversation_id"], [ben.user_id])
        async with MeshCall(client, placed.call.call_id, tracks=[Tone(880)], heard=heard.put_nowait) as call:
            remote = await heard.get()
            assert remote.user_id == ben.user_id
            assert abs(await hertz(remote.track) - 440) < 20
            await client.calls.end(placed.call.call_id)
            assert await call.until_over() == "hangup"


async def test_three_programs_talk(server: Server) -> None:
    people = [await register(stranger(server.url, name)) for name in ("ann", "ben", "cat")]
    ann, ben, cat = people
    chat = await group(ann, [ben, cat])
    tones = {ann.user_id: 400, ben.user_id: 700, cat.user_id: 1000}
    heard: dict[tuple[str, str], RemoteTrack] = {}

    def listening(who: str) -> Any:
        return lambda track: heard.__setitem__((who, track.user_id), track)

    async with asyncio.timeout(PATIENCE), contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(logged_in(person)) for person in people]
        placed = await clients[0].calls.initiate(chat["conversation_id"], [ben.user_id, cat.user_id])
        calls = {}
        for person, client in zip(people, clients, strict=True):
            who = person.user_id
            call = MeshCall(client, placed.call.call_id, tracks=[Tone(tones[who])], heard=listening(who))
            calls[who] = await stack.enter_async_context(call)
        for who, call in calls.items():
            await call.until_connected(set(tones) - {who})
        for (_, speaker), remote in heard.items():
            assert abs(await hertz(remote.track) - tones[speaker]) < 30
        assert len(heard) == 6
        await calls[ben.user_id].mute(True)

        async def muted() -> bool:
            states = (await clients[0].calls.get(placed.call.call_id)).participants
            return [one.audio_muted for one in states if one.user_id == ben.user_id] == [True]

        await eventually(muted)


async def test_sound_goes_on_while_the_server_is_dead(tmp_path: Path) -> None:
    """kill -9 in a call: the tone is heard meanwhile, the sockets come back, muting and hanging up work."""
    async with running(tmp_path / "data") as server:
        await _outlives(server)


async def _outlives(server: Server) -> None:
    ann, ben = [await register(stranger(server.url, name)) for name in ("ann", "ben")]
    chat = await direct(ann, ben)
    heard: asyncio.Queue[RemoteTrack] = asyncio.Queue()
    async with asyncio.timeout(PATIENCE), logged_in(ann) as first, logged_in(ben) as second:
        placed = await first.calls.initiate(chat["conversation_id"], [ben.user_id])
        call_id = placed.call.call_id
        async with (
            MeshCall(first, call_id, tracks=[Tone(440)]) as anns,
            MeshCall(second, call_id, tracks=[Tone(880)], heard=heard.put_nowait) as bens,
        ):
            tone = (await heard.get()).track
            assert abs(await hertz(tone) - 440) < 20
            await asyncio.to_thread(server.kill)
            assert abs(await hertz(tone) - 440) < 20
            await server.start()
            await anns.mute(True)
            assert abs(await hertz(tone) - 440) < 20
            (state,) = [
                one for one in (await second.calls.get(call_id)).participants if one.user_id == ann.user_id
            ]
            assert (state.state, state.audio_muted) == ("joined", True)
            await first.calls.leave(call_id)
            assert await bens.until_over() == "hangup"
        assert (await second.calls.get(call_id)).status == "ended"


@pytest.fixture
def relayed(tmp_path: Path) -> Iterator[tuple[Server, Coturn]]:
    try:
        certificate = make_certificate(tmp_path / "tls")
        coturn = Coturn(tmp_path / "coturn", certificate, loopback_peers=True, arguments=["--verbose"])
    except MissingProgram as missing:
        pytest.skip(str(missing))
    with coturn:
        server = Server(tmp_path / "data", turn={"urls": coturn.urls[0], "secret": coturn.secret})
        server.launch()
        try:
            yield server, coturn
        finally:
            server.clean()


async def test_by_relays_alone(relayed: tuple[Server, Coturn]) -> None:
    server, coturn = relayed
    await server.ready()
    ann, ben = [await register(stranger(server.url, name)) for name in ("ann", "ben")]
    chat = await direct(ann, ben)
    heard: asyncio.Queue[RemoteTrack] = asyncio.Queue()
    async with asyncio.timeout(PATIENCE), logged_in(ann) as first, logged_in(ben) as second:
        placed = await first.calls.initiate(chat["conversation_id"], [ben.user_id])
        assert placed.ice_servers[0].urls == [coturn.urls[0]]
        call_id = placed.call.call_id
        async with (
            MeshCall(first, call_id, tracks=[Tone(440)], relay_only=True),
            MeshCall(second, call_id, tracks=[Tone(880)], heard=heard.put_nowait, relay_only=True) as call,
        ):
            await call.until_connected([ann.user_id])
            assert abs(await hertz((await heard.get()).track) - 440) < 20
    await asyncio.to_thread(coturn.stop)
    said = coturn.log.read_text()
    for person in (ann, ben):
        assert re.search(
            rf"user <\d+:{person.user_id}>: incoming packet CHANNEL_BIND processed, success", said
        )
