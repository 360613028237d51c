"""All processes that hold calls die in a call: who comes back goes on, who does not has left (scenario V21).

Where there are roles these are the video processes, behind nginx, and the rest of the product stays.
"""

import asyncio
import contextlib
import signal as signals
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.metrics import metric
from tests.scenarios.patience import at_this_load, eventually
from tests.scenarios.pieces import Piece
from tests.scenarios.profiles import PROFILE
from tests.scenarios.server import Server, running
from tests.scenarios.signaling import call, shown, signal, state
from tests.scenarios.steps import Chat, Person, events, group, register, send, stranger, ws

#: Short, so that the test is; what it proves does not depend on it.
_SETTINGS = {"reconnect_window": 8, "reaper_interval": 0.5, "ring_timeout": 30}
#: What V21 allows between the end of the processes and that of a call that nobody comes back to.
_ALLOWED = 40.0  # seconds, of a machine that does nothing else


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

    @property
    def holders(self) -> list[Piece]:
        """The processes that hold calls."""
        return [one for one in self.server.pieces if "video" in one.name] or self.server.pieces

    async def crash(self, how: signals.Signals = signals.SIGKILL) -> None:
        """End the processes that hold calls, all at once, and start them again."""
        a, b, _ = self.people
        async with contextlib.AsyncExitStack() as rest:
            chat = await rest.enter_async_context(ws(b)) if PROFILE.has_roles else None
            for piece in self.holders:
                piece.signal(how)
            for piece in self.holders:
                assert piece.process is not None
                code = await asyncio.to_thread(piece.process.wait)
                assert code == (0 if how is signals.SIGTERM else -how)
            if chat is not None:  # the other roles did not notice
                seq = (await send(a, self.g, "still here")).ok(201)["seq"]
                await chat.frame(seq=seq)
                assert (await a.get(f"/v1/calls/{self.call_id}")).status in {502, 503}
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
        running(tmp_path / "data", processes=2, calls=_SETTINGS) as server,
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


@pytest.mark.parametrize("how", [signals.SIGKILL, signals.SIGTERM], ids=["kill -9", "SIGTERM"])
async def test_nobody_comes_back(tmp_path: Path, how: signals.Signals) -> None:
    """The reaper ends the call and says why; a planned stop is no different. On roles with the windows of
    a server that was told no others, which is what V21 is about."""
    windows = {} if PROFILE.has_roles else _SETTINGS
    async with running(tmp_path / "data", processes=2, calls=windows) as server:
        async with contextlib.AsyncExitStack() as sockets:
            talk = await Talk.begin(server, sockets)
            gone = datetime.now(UTC)
            await talk.crash(how)
        a = talk.people[0]

        async def over() -> bool:
            return bool((await shown(a, talk.call_id))["status"] == "ended")

        await eventually(over, at_this_load(90))
        found = await shown(a, talk.call_id)
        assert found["end_reason"] == "connection_lost"
        assert datetime.fromisoformat(found["ended_at"]) - gone <= timedelta(seconds=at_this_load(_ALLOWED))

        async def written() -> bool:  # where it lies in another store than the call, a little later
            kinds = [event["kind"] for event in await events(a, talk.g)]
            assert kinds.count("call_ended") <= 1
            return "call_ended" in kinds

        await eventually(written, 60)
        assert await metric(server, "call_recovery_failed_total") == 3

        async def counted() -> bool:
            return await metric(server, "calls_active") == 0  # at each of them, at its next turn

        await eventually(counted)
