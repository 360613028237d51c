"""10 · Calls while the timeline, in Cassandra, does not answer (docs/reference/operations.md §9)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.scenarios.patience import eventually
from tests.scenarios.server import Server, running
from tests.scenarios.signaling import call, initiate, join, leave, shown, signal, state
from tests.scenarios.steps import Answer, Person, direct, events, group, register, stranger
from tests.scenarios.stores import cassandra

pytestmark = pytest.mark.only_on("cassandra-in-one", "cassandra", reason="the timeline is in the database")

PATIENCE = 120


@asynccontextmanager
async def away() -> AsyncIterator[None]:
    """Cassandra stands still, for the length of the block."""
    cassandra().pause()
    try:
        yield
    finally:
        cassandra().resume()


async def refused(ask: Callable[[], Awaitable[Answer]]) -> None:
    """TIMELINE_UNAVAILABLE, with the time to come back after."""
    answer = await ask()
    answer.is_error(503, "TIMELINE_UNAVAILABLE")
    assert answer.headers["retry-after"] == "2"


async def trio(server: Server) -> tuple[Person, Person, Person]:
    ann, ben, cleo = [await register(stranger(server.url, name)) for name in ("ann", "ben", "cleo")]
    return ann, ben, cleo


async def test_a_running_call_goes_on_and_others_begin_later(server: Server) -> None:
    ann, ben, cleo = await trio(server)
    chat = (await group(ann, [ben, cleo]))["conversation_id"]
    other = (await direct(ann, cleo))["conversation_id"]
    call_id = await call(ann, chat, [ben, cleo])
    async with signal(ann, call_id) as sa, signal(ben, call_id) as sb, signal(cleo, call_id) as sc:
        # A first frame, so that its process knows who is a member.
        for socket in (sa, sb, sc):
            assert (await socket.command("ice_candidate", candidate={"candidate": ""}))["type"] == "ack"
        async with away():
            await refused(lambda: initiate(ann, other, [cleo]))
            assert (await sa.command("offer", target_id=ben.user_id, sdp="v=0"))["type"] == "ack"
            assert (await sb.frame(type="offer"))["sender_id"] == ann.user_id
            assert (await sb.command("mute_audio", muted=True))["type"] == "ack"
            await sa.frame(type="mute_audio", sender_id=ben.user_id)
            (await ann.get("/v1/calls/ice-servers")).ok()
            (await leave(cleo, call_id)).ok()
            await sa.frame(type="leave", sender_id=cleo.user_id)
            seen = await shown(ann, call_id)
            assert (seen["status"], state(seen, cleo)["state"]) == ("active", "left")
            assert state(seen, ben)["audio_muted"]
            await refused(lambda: join(cleo, call_id))
            # The end is an event of the conversation: it is not acknowledged before it is stored.
            await refused(lambda: ann.post(f"/v1/calls/{call_id}/end"))
            assert (await shown(ann, call_id))["status"] == "active"

        async def hung_up() -> bool:
            return (await ann.post(f"/v1/calls/{call_id}/end")).status == 200

        await eventually(hung_up, PATIENCE)
        await sb.frame(type="call_ended")
    kinds = [event["kind"] for event in await events(ann, chat)]
    assert (kinds.count("call_started"), kinds.count("call_ended")) == (1, 1)
    later = await call(ann, other, [cleo])
    (await leave(ann, later)).ok()


async def test_a_call_that_all_are_gone_from_ends_when_the_timeline_is_back(tmp_path: Path) -> None:
    """Nobody waits for it: who closes the window is gone, and the end is written later, once."""
    windows = {"reconnect_window": 2, "reaper_interval": 0.5}
    async with running(tmp_path / "data", calls=windows) as server:
        ann, ben, _ = await trio(server)
        chat = (await direct(ann, ben))["conversation_id"]
        call_id = await call(ann, chat, [ben])
        async with AsyncExitStack() as sockets:
            for person in (ann, ben):
                await sockets.enter_async_context(signal(person, call_id))
            async with away():
                await refused(lambda: leave(ann, call_id))
                await sockets.aclose()

                async def both_lost() -> bool:
                    seen = await shown(ann, call_id)
                    return {state(seen, one)["state"] for one in (ann, ben)} == {"reconnecting"}

                await eventually(both_lost)

        async def over() -> bool:
            seen = await shown(ann, call_id)
            return (seen["status"], seen["end_reason"]) == ("ended", "connection_lost")

        await eventually(over, PATIENCE)

        async def written() -> bool:
            kinds = [event["kind"] for event in await events(ann, chat)]
            assert kinds.count("call_ended") <= 1
            return "call_ended" in kinds

        await eventually(written, PATIENCE)
