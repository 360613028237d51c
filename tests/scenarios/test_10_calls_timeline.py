"""10 · Calls while the timeline, in Cassandra, does not answer (docs/reference/operations.md §9)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.scenarios.patience import eventually
from tests.scenarios.server import Server, running
from tests.scenarios.signaling import call, leave, shown, signal, state
from tests.scenarios.steps import Answer, Person, direct, group, register, send, stranger
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


async def told(person: Person, conversation_id: str) -> bool:
    """Whether the conversation shows its call from beginning to end."""
    answer = await person.get(f"/v1/conversations/{conversation_id}/events?after_seq=0")
    if answer.status == 503:
        return False
    kinds = [event["kind"] for event in answer.ok()["events"] if event["kind"].startswith("call_")]
    assert kinds == ["call_started", "call_ended"][: len(kinds)]
    return len(kinds) == 2


async def trio(server: Server) -> tuple[Person, Person, Person]:
    ann, ben, cleo = [await register(stranger(server.url, name)) for name in ("ann", "ben", "cleo")]
    return ann, ben, cleo


async def test_calls_begin_go_on_and_end(server: Server) -> None:
    """What their conversations show of it follows when the timeline is back, in order and once."""
    ann, ben, cleo = await trio(server)
    recorded = {"recording_enabled": True}
    chat = (await group(ann, [ben, cleo], settings=recorded))["conversation_id"]
    other = (await direct(ann, cleo))["conversation_id"]
    call_id = await call(ann, chat, [ben, cleo])
    async with signal(ann, call_id) as sa, signal(ben, call_id) as sb, signal(cleo, call_id) as sc:
        # A first frame, so that its process knows who is a member.
        for socket in (sa, sb, sc):
            assert (await socket.command("ice_candidate", candidate={"candidate": ""}))["type"] == "ack"
        async with away():
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
            # Consent is an event: nobody is recorded who could not be told.
            await refused(lambda: ann.post(f"/v1/calls/{call_id}/recording/start"))
            (await ann.post(f"/v1/calls/{call_id}/end")).ok()
            await sb.frame(type="call_ended")
            begun = await call(ann, other, [cleo])
            async with signal(ann, begun) as mine, signal(cleo, begun) as theirs:
                assert (await mine.command("offer", target_id=cleo.user_id, sdp="v=0"))["type"] == "ack"
                assert (await theirs.frame(type="offer"))["sender_id"] == ann.user_id
            (await leave(cleo, begun)).ok()
            assert (await shown(ann, begun))["status"] == "ended"
            await refused(lambda: send(ann, other, "a message has to be stored"))

    for conversation in (chat, other):
        await eventually(partial(told, ann, conversation), PATIENCE)


async def test_a_call_that_all_are_gone_from_ends_by_itself(tmp_path: Path) -> None:
    """Whether the timeline is back by then or not; the end is written once."""
    windows = {"reconnect_window": 2, "reaper_interval": 0.5}
    async with running(tmp_path / "data", calls=windows) as server:
        ann, ben, _ = await trio(server)
        chat = (await direct(ann, ben))["conversation_id"]
        call_id = await call(ann, chat, [ben])
        async with AsyncExitStack() as sockets:
            for person in (ann, ben):
                await sockets.enter_async_context(signal(person, call_id))
            async with away():
                await sockets.aclose()

                async def both_lost() -> bool:
                    seen = await shown(ann, call_id)
                    return {state(seen, one)["state"] for one in (ann, ben)} == {"reconnecting"}

                await eventually(both_lost)

        async def over() -> bool:
            seen = await shown(ann, call_id)
            return (seen["status"], seen["end_reason"]) == ("ended", "connection_lost")

        await eventually(over, PATIENCE)
        await eventually(partial(told, ann, chat), PATIENCE)
