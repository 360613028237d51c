"""The process dies in a call: who comes back goes on, who does not has left (scenario V21)."""

import contextlib
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.metrics import metric
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server, running
from tests.scenarios.signaling import call, shown, signal, state
from tests.scenarios.steps import Chat, Person, events, group, register, stranger

#: Short, so that the test is; what it proves does not depend on it.
_SETTINGS = {"reconnect_window": 8, "reaper_interval": 0.5, "ring_timeout": 30}


class Talk:
    """Three people in a group call; B is muted, C's hand is up, A shares a screen."""

    def __init__(self, server: Server, people: list[Person], g: str, call_id: str) -> None:
        self.server, self.people, self.g, self.call_id = server, people, g, call_id

    @classmethod
    async def begin(cls, server: Server, sockets: contextlib.AsyncExitStack) -> "Talk":
        people = [await register(stranger(server.url, name)) for name in ("a", "b", "c")]
        a, b, c = people
        g = (await group(a, [b, c]))["conversation_id"]
        talk = cls(server, people, g, await call(a, g, [b, c]))
        sa, sb, sc = [await sockets.enter_async_context(signal(each, talk.call_id)) for each in people]
        for socket, type_, fields in (
            (sa, "screen_share_started", {}),
            (sb, "mute_audio", {"muted": True}),
            (sc, "hand_raised", {"raised": True}),
        ):
            assert (await socket.command(type_, **fields))["type"] == "ack"
        return talk

    async def crash(self) -> None:
        """kill -9, and start again on what is on the disk."""
        self.server.kill()
        await self.server.start()

    async def back(self, who: Person, sockets: contextlib.AsyncExitStack) -> Chat:
        """Somebody's socket, without a new join."""
        socket = await sockets.enter_async_context(signal(who, self.call_id, joins=False))
        assert socket.seen[0]["reconnected"] is True
        await socket.frame(type="reconnected", user_id=who.user_id)
        return socket

    async def until(self, who: Person, state_: str) -> None:
        async def reached() -> bool:
            return bool(state(await shown(self.people[0], self.call_id), who)["state"] == state_)

        await eventually(reached, seconds=60)


async def _run(tmp_path: Path, work: Any) -> None:
    async with (
        running(tmp_path / "data", calls=_SETTINGS) as server,
        contextlib.AsyncExitStack() as before,
    ):
        talk = await Talk.begin(server, before)
        await talk.crash()
        await work(talk)


async def test_all_come_back(tmp_path: Path) -> None:
    """With what they showed; signaling, mute and hanging up work as before."""

    async def work(talk: Talk) -> None:
        a, b, c = talk.people
        async with contextlib.AsyncExitStack() as sockets:
            sa, sb, sc = [await talk.back(each, sockets) for each in talk.people]
            found = await shown(a, talk.call_id)
            assert found["status"] == "active"
            assert state(found, a)["screen_sharing"] is True
            assert state(found, b)["audio_muted"] is True
            assert state(found, c)["hand_raised"] is True
            assert (await sa.command("offer", sdp="v=0", target_id=c.user_id))["type"] == "ack"
            await sc.frame(type="offer", sender_id=a.user_id)
            assert (await sb.command("mute_audio", muted=False))["type"] == "ack"
            await sa.frame(type="mute_audio", muted=False)
            assert (await sb.command("leave"))["type"] == "ack"
            await sc.frame(type="leave", sender_id=b.user_id)
            assert await metric(talk.server, "call_recovery_success_total") == 3
            assert await metric(talk.server, "calls_active") == 1

    await _run(tmp_path, work)


async def test_one_comes_back(tmp_path: Path) -> None:
    """The others have left, and the call goes on."""

    async def work(talk: Talk) -> None:
        a, b, c = talk.people
        async with contextlib.AsyncExitStack() as sockets:
            sa = await talk.back(a, sockets)
            for each in (b, c):
                gone = await sa.frame(type="leave", sender_id=each.user_id, timeout=60)
                assert gone["reason"] == "connection_lost"
            assert (await shown(a, talk.call_id))["status"] == "active"
            assert await metric(talk.server, "call_recovery_failed_total") == 2

    await _run(tmp_path, work)


@pytest.mark.parametrize("planned", [False, True], ids=["kill -9", "SIGTERM"])
async def test_nobody_comes_back(tmp_path: Path, planned: bool) -> None:
    """The reaper ends the call and says why; a planned stop is no different."""
    async with running(tmp_path / "data", calls=_SETTINGS) as server:
        async with contextlib.AsyncExitStack() as sockets:
            talk = await Talk.begin(server, sockets)
            if planned:
                assert await server.stop() == 0
                await server.start()
            else:
                await talk.crash()
        a = talk.people[0]

        async def over() -> bool:
            return bool((await shown(a, talk.call_id))["status"] == "ended")

        await eventually(over, seconds=60)
        found = await shown(a, talk.call_id)
        assert found["end_reason"] == "connection_lost"
        assert [event["kind"] for event in await events(a, talk.g)].count("call_ended") == 1
        assert await metric(server, "calls_active") == 0
