"""Calls over the product, in Chromium with a fake camera: what is seen is counted from getStats."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser, Error

from stack.certificates import make_certificate
from stack.coturn import Coturn
from stack.server import MissingProgram
from tests.browser.callers import Caller, callers, everybody_sees_everybody
from tests.browser.media import chromium_with_media
from tests.scenarios.pieces import Piece
from tests.scenarios.server import Server
from tests.scenarios.steps import direct, group

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    directory = tmp_path_factory.mktemp("coturn")
    try:
        server = Coturn(directory, make_certificate(directory), loopback_peers=True)
    except MissingProgram as missing:
        pytest.skip(f"NOT TRIED: {missing}")
    with server:
        yield server


@pytest.fixture(scope="module")
def _started(tmp_path_factory: pytest.TempPathFactory, coturn: Coturn) -> Iterator[Server]:
    turn = {"urls": ",".join(coturn.urls[:2]), "secret": coturn.secret}
    server = Server(tmp_path_factory.mktemp("calls") / "data", turn=turn)
    server.launch()
    yield server
    server.clean()


@pytest.fixture
async def server(_started: Server) -> Server:
    """A server with a TURN server, which all tests of this module share."""
    await _started.ready()
    return _started


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with chromium_with_media(chromium) as started:
        yield started


async def talking(people: list[Caller], conversation_id: str) -> str:
    """The first one calls the others, and they answer one after the other."""
    first, *others = people
    call_id = str(await first.does("call", conversation_id, [one.user_id for one in others]))
    for one in others:
        await one.does("answer", call_id)
    return call_id


def video_role(server: Server) -> Piece:
    """The process that holds signaling sockets."""
    (*_, last) = [piece for piece in server.pieces if "video" in piece.name] or server.pieces
    return last


async def test_two_people_see_and_hear_each_other(server: Server, browser: Browser) -> None:
    ann, ben = await callers(browser, server, "ann", "ben")
    chat = await direct(ann.person, ben.person)
    call_id = await talking([ann, ben], chat["conversation_id"])
    await everybody_sees_everybody([ann, ben])
    await ann.until(f"soundPackets().then((packets) => packets['{ben.user_id}'] > 20)")
    shown = (await ann.person.get(f"/v1/calls/{call_id}")).ok()
    assert (shown["status"], shown["topology"]) == ("active", "mesh")
    await ben.does("hangUp")
    await ann.until("state.signaling.closed === 4006")
    assert await ann.state("state.ended") == "hangup"


async def test_four_people_a_fifth_and_a_screen(server: Server, browser: Browser) -> None:
    people = await callers(browser, server, "ann", "ben", "cat", "dan", "eve")
    *four, eve = people
    ann, ben, cat, _ = four
    chat = await group(ann.person, [one.person for one in people[1:]])
    call_id = await talking(four, chat["conversation_id"])
    await everybody_sees_everybody(four)

    (await ann.person.post(f"/v1/calls/{call_id}/invite", {"user_ids": [eve.user_id]})).ok()
    with pytest.raises(Error, match=r"400 CALL_CAPACITY_REACHED.*max 4 participants"):
        await eve.does("answer", call_id)

    await ann.does("shareScreen")
    for one in (ben, cat):
        await one.until(f"state.sharers['{ann.user_id}']")
        assert await one.does("seesEverybody", [ann.user_id], 2) == 1

    await cat.does("hangUp")
    await ann.until(f"state.left['{cat.user_id}'] === 'left'")
    await eve.does("answer", call_id)
    assert await eve.does("seesEverybody", [ben.user_id]) == 1
    assert await eve.does("seesEverybody", [ann.user_id], 2) == 1


async def test_a_recording_is_shared_and_plays(server: Server, browser: Browser) -> None:
    ann, ben = await callers(browser, server, "ann", "ben")
    chat = await group(ann.person, [ben.person], settings={"recording_enabled": True})
    await talking([ann, ben], chat["conversation_id"])
    await everybody_sees_everybody([ann, ben])
    made = await ann.does("recordAndUpload", ben.user_id)
    await ben.until("state.frames.some(({ type }) => type === 'recording_stopped')")
    listed = (await ben.person.get(f"/v1/calls/{await ben.state('state.callId')}/recordings")).ok()
    (recording,) = listed["recordings"]
    assert (recording["recording_id"], recording["file"]["file_id"]) == (made["id"], made["fileId"])
    played = await ben.does("play", made["fileId"])
    assert played["size"] == made["size"]
    assert played["width"] == 160
    assert played["frames"] > 5


async def test_a_call_by_relays_alone(server: Server, browser: Browser) -> None:
    ann, ben = await callers(browser, server, "ann", "ben", relay_only=True)
    chat = await direct(ann.person, ben.person)
    await talking([ann, ben], chat["conversation_id"])
    await everybody_sees_everybody([ann, ben])
    ours, theirs, by = (await ann.does("paths"))[ben.user_id]
    assert (ours, theirs) == ("relay", "relay")
    assert by in {"udp", "tcp"}


async def test_media_outlives_the_process_that_signals(server: Server, browser: Browser) -> None:
    ann, ben, cat = await callers(browser, server, "ann", "ben", "cat")
    chat = await group(ann.person, [ben.person, cat.person])
    people = [ann, ben, cat]
    call_id = await talking(people, chat["conversation_id"])
    await everybody_sees_everybody(people)
    await ann.does("mute", True)

    piece = video_role(server)
    piece.signal(signal.SIGKILL)
    assert piece.process is not None
    await asyncio.to_thread(piece.process.wait)
    for one in people:
        await one.until("state.signaling.lost !== null")
    await everybody_sees_everybody(people)  # while nobody is there to signal
    await asyncio.to_thread(server.launch)
    await server.ready()
    served = time.monotonic()
    for one in people:
        await one.until("state.reconnected !== null")
        assert await one.state("state.reconnected") is True
    assert time.monotonic() - served < 5

    shown = (await ben.person.get(f"/v1/calls/{call_id}")).ok()
    assert shown["status"] == "active"
    states = {one["user_id"]: one for one in shown["participants"]}
    assert states[ann.user_id]["audio_muted"] is True
    await everybody_sees_everybody(people)
    await ben.does("mute", True)
    await cat.until(f"state.mutes['{ben.user_id}'] === true")
    await cat.does("hangUp")
    for one in (ann, ben):
        await one.until(f"state.left['{cat.user_id}'] === 'left'")
    await everybody_sees_everybody([ann, ben])
