"""Calls whose people are connected to different processes (V26), the death of one (V21), and no bus (X1)."""

import asyncio
import signal as signals
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.processes.pair import Pair, at, metric, two_processes
from tests.scenarios.patience import eventually
from tests.scenarios.server import _ready
from tests.scenarios.signaling import Signal, call, join, shown, signal, state
from tests.scenarios.steps import Person, direct, events, group, register, stranger, ws

_CALLS = {"reconnect_window": 20, "reaper_interval": 1}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    folder: Path = tmp_path_factory.mktemp("calls")
    async with two_processes(folder, calls=_CALLS) as started:
        yield started


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def people(pair: Pair) -> tuple[Person, Person, Person]:
    """Ann at one process, Ben and Cleo at the other."""
    ann = await register(stranger(pair.one.url, "ann"))
    ben, cleo = [at(pair.two, await register(stranger(pair.two.url, name))) for name in ("ben", "cleo")]
    return ann, ben, cleo


async def relayed(socket: Signal, type_: str, **fields: Any) -> None:
    """Say it until it is passed on: a process that stood still for a second does not know whom it reaches."""

    async def passed() -> bool:
        answered = await socket.command(type_, **fields)
        assert answered["type"] == "ack" or answered["code"] == "SERVICE_UNAVAILABLE", answered
        return bool(answered["type"] == "ack")

    await eventually(passed)


async def test_signaling_between_processes(pair: Pair) -> None:
    """It rings there, is answered there, and what is said arrives, in order, at whom it is for."""
    ann, ben, cleo = await people(pair)
    g = (await group(ann, [ben, cleo]))["conversation_id"]
    async with ws(ben) as chat:
        call_id = await call(ann, g, [ben, cleo])
        assert (await chat.frame(type="call_incoming"))["call"]["call_id"] == call_id
    async with signal(ann, call_id) as sa, signal(ben, call_id) as sb, signal(cleo, call_id) as sc:
        await sa.frame(type="join", sender_id=cleo.user_id)
        for number in range(10):
            said = {"candidate": str(number)}
            await relayed(sa, "ice_candidate", target_id=ben.user_id, candidate=said)
        await relayed(sb, "offer", sdp="v=0")
        await sa.frame(type="offer", sender_id=ben.user_id)
        await sc.frame(type="offer", sender_id=ben.user_id)
        await sb.frame(type="ice_candidate", candidate={"candidate": "9"})
        heard = [f["candidate"]["candidate"] for f in sb.seen if f["type"] == "ice_candidate"]
        assert heard == [str(number) for number in range(10)]
        assert not any(frame["type"] == "ice_candidate" for frame in sc.seen)
        await sc.command("mute_audio", muted=True)
        await sa.frame(type="mute_audio", sender_id=cleo.user_id)
        assert state(await shown(ann, call_id), cleo)["audio_muted"] is True
        (await ann.post(f"/v1/calls/{call_id}/end")).ok()
        for socket in (sa, sb, sc):
            await socket.frame(type="call_ended")
            assert await socket.close_code() == 4006


async def test_taking_over_at_the_other_process(pair: Pair) -> None:
    ann, ben, _ = await people(pair)
    d = (await direct(ann, ben))["conversation_id"]
    call_id = await call(ann, d, [ben])
    tablet = at(pair.one, await ben.login())
    async with signal(ben, call_id) as phone:
        (await join(tablet, call_id)).is_error(409, "CALL_ANSWERED_ELSEWHERE")
        async with signal(tablet, call_id, takeover=True) as other:
            assert await phone.close_code() == 4010
            assert (await other.command("ping"))["type"] == "pong"
        (await ann.post(f"/v1/calls/{call_id}/end")).ok()


async def test_who_joins_at_once_everywhere(pair: Pair) -> None:
    """Fifty joins at two processes: never more than four in it (V6, I9)."""
    ann = await register(stranger(pair.one.url, "ann"))
    others = [await register(stranger(pair.one.url, f"p{number}")) for number in range(5)]
    g = (await group(ann, others))["conversation_id"]
    call_id = await call(ann, g, others[:3])
    (await ann.post(f"/v1/calls/{call_id}/invite", {"user_ids": [each.user_id for each in others]})).ok()
    tries = [at(piece, each) for each in others * 5 for piece in pair.pieces]
    answers = await asyncio.gather(*(join(each, call_id) for each in tries))
    assert {answer.status for answer in answers} <= {200, 400}
    found = await shown(ann, call_id)
    assert sum(each["state"] == "joined" for each in found["participants"]) == 4
    (await ann.post(f"/v1/calls/{call_id}/end")).ok()
    assert [event["kind"] for event in await events(ann, g)].count("call_ended") == 1


async def test_without_the_bus(pair: Pair) -> None:
    """Those of one process go on; what is for others is refused until the bus is back."""
    ann, ben, cleo = await people(pair)
    g = (await group(ann, [ben, cleo]))["conversation_id"]
    call_id = await call(ann, g, [ben, cleo])
    async with signal(ann, call_id) as sa, signal(ben, call_id) as sb, signal(cleo, call_id) as sc:
        await sa.frame(type="join", sender_id=cleo.user_id)
        await pair.cables[1].cut()

        async def refused() -> bool:
            answered = await sb.command("offer", sdp="v=0", target_id=ann.user_id)
            return bool(answered.get("code") == "SERVICE_UNAVAILABLE")

        await eventually(refused)
        assert (await sb.command("offer", sdp="v=1", target_id=cleo.user_id))["type"] == "ack"
        await sc.frame(type="offer", sdp="v=1")
        await pair.cables[1].lay()

        async def arrives() -> bool:
            answered = await sb.command("offer", sdp="v=2", target_id=ann.user_id)
            return bool(answered["type"] == "ack")

        await eventually(arrives)
        await sa.frame(type="offer", sdp="v=2", timeout=10)
    (await ann.post(f"/v1/calls/{call_id}/end")).ok()


async def test_a_process_dies_in_a_call(pair: Pair) -> None:
    """Its people come back at the other one, with what they showed; who does not is put out by it."""
    ann, ben, cleo = await people(pair)
    g = (await group(ann, [ben, cleo]))["conversation_id"]
    call_id = await call(ann, g, [ben, cleo])
    before = await metric(pair.one, "call_recovery_failed_total")
    async with signal(ann, call_id) as sa, signal(ben, call_id) as sb, signal(cleo, call_id):
        await sa.frame(type="join", sender_id=cleo.user_id)
        assert (await sb.command("mute_video", muted=True))["type"] == "ack"
        pair.two.signal(signals.SIGKILL)
        async with signal(at(pair.one, ben), call_id, joins=False) as back:
            assert back.seen[0]["reconnected"] is True
            here = state(back.seen[0]["call"], ben)
            assert here["video_muted"] is True
            await sa.frame(type="reconnected", user_id=ben.user_id)
            await relayed(back, "offer", sdp="v=0", target_id=ann.user_id)
            await sa.frame(type="offer", sender_id=ben.user_id)
            await sa.frame(type="participant_reconnecting", user_id=cleo.user_id, timeout=30)
            gone: dict[str, Any] = await sa.frame(type="leave", sender_id=cleo.user_id, timeout=60)
            assert gone["reason"] == "connection_lost"
            assert (await shown(ann, call_id))["status"] == "active"
            assert await metric(pair.one, "call_recovery_failed_total") == before + 1
    await pair.launch(pair.two)
    await _ready(pair.two, 120)
