"""Events in order: resumed, refetched, each once, from where the last run ended."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from secureconnect.client import (
    ApiFailure,
    ConnectionChanged,
    ConnectionState,
    ConversationAdded,
    ConversationRemoved,
    ConversationReset,
    Event,
    FileCursors,
)
from secureconnect.kit.ids import new_id
from tests.unit.client.streams import seqs, take, until_kind
from tests.unit.client.world import Sleeper, World, refusal, until

Json = dict[str, Any]


async def test_starts_with_what_is_new(world: World) -> None:
    c = world.conversation(events=3)
    async with world.client() as client, client.chat() as chat:
        assert chat.state is ConnectionState.CONNECTED
        await world.post(c, "hello")
        event = await anext(chat.events())
    assert (event.conversation_id, event.seq, event.data["message"]["content"]) == (c, 4, "hello")
    assert world.hellos[0]["resume"] == {c: 3}
    assert world.upgrades[0].headers["Authorization"] == "Bearer t1"


async def test_resumes_after_a_break_without_loss(world: World) -> None:
    c = world.conversation()
    sleeper = Sleeper()
    async with world.client(sleeper) as client, client.chat() as chat:
        await world.post(c)
        assert await seqs(chat, 1) == [2]
        world.cut()
        for _ in range(5):
            world.append(c)
        assert await seqs(chat, 5) == [3, 4, 5, 6, 7]
        await world.post(c)
        assert await seqs(chat, 1) == [8]
    assert world.hellos[1]["resume"] == {c: 2}
    assert sleeper.slept == [0.75]


async def test_what_a_resume_cannot_bring_is_fetched_before_anything_newer(world: World) -> None:
    c = world.conversation()
    world.resume_limit = 10
    async with world.client() as client, client.chat() as chat:
        world.cut()
        await until(lambda: not world.sockets)
        for _ in range(1200):
            world.append(c)
        await until(lambda: bool(world.sockets))
        await world.post(c)
        assert await seqs(chat, 1201) == list(range(2, 1203))


async def test_a_hole_in_the_live_stream_is_filled(world: World) -> None:
    c = world.conversation()
    async with world.client() as client, client.chat() as chat:
        world.append(c)
        await world.post(c)
        assert await seqs(chat, 2) == [2, 3]


async def test_repeats_are_dropped(world: World) -> None:
    c = world.conversation()
    async with world.client() as client, client.chat() as chat:
        await world.post(c)
        await world.tell({"type": "event", **world.logs[c][1]})
        await world.tell({"type": "event", **world.logs[c][0]})
        await world.post(c)
        assert await seqs(chat, 2) == [2, 3]


async def test_a_fill_outlives_an_unwell_server(world: World) -> None:
    c = world.conversation()
    failures = iter([refusal("TIMELINE_UNAVAILABLE", 503) for _ in range(9)])
    world.intercept = lambda r: next(failures, None) if r.url.path.endswith("/events") else None
    async with world.client() as client, client.chat() as chat:
        world.append(c)
        await world.post(c)
        assert await seqs(chat, 2) == [2, 3]


async def test_more_than_the_application_takes_is_fetched_later(world: World) -> None:
    c = world.conversation()
    async with world.client() as client, client.chat() as chat:
        for _ in range(2500):
            await world.post(c)
        assert await chat.ping() > 0  # the reader is not stuck behind the inbox
        assert await seqs(chat, 2500) == list(range(2, 2502))
    assert any(request.url.path.endswith("/events") for request in world.requests)


async def test_a_restored_server_resets_the_copy(world: World) -> None:
    c = world.conversation(events=10)
    async with world.client() as client, client.chat() as chat:
        del world.logs[c][4:]
        world.cut()
        reset = await until_kind(chat, ConversationReset)
        assert (reset.conversation_id, reset.reason, reset.last_seq) == (c, "ahead", 4)
        await until(lambda: bool(world.sockets))
        await world.post(c)
        assert await seqs(chat, 1) == [5]


async def test_events_that_are_gone_reset_the_copy(world: World) -> None:
    c = world.conversation(events=2)
    async with world.client() as client, client.chat() as chat:
        world.cut()
        for _ in range(10):
            world.append(c)
        world.first_seq[c] = 8
        reset = await until_kind(chat, ConversationReset)
        assert (reset.reason, reset.last_seq) == ("truncated", 12)


async def test_a_fill_that_meets_removed_history_says_so(world: World) -> None:
    c = world.conversation()
    async with world.client() as client, client.chat() as chat:
        for _ in range(6):
            world.append(c)
        world.first_seq[c] = 5
        await world.post(c)
        reset = await until_kind(chat, ConversationReset)
        assert (reset.reason, reset.last_seq) == ("truncated", 4)
        assert await seqs(chat, 4) == [5, 6, 7, 8]


async def test_a_conversation_that_is_gone_after_a_break_is_told(world: World) -> None:
    c = world.conversation()
    async with world.client() as client, client.chat() as chat:
        world.gone.add(c)
        world.cut()
        removed = await until_kind(chat, ConversationRemoved)
        assert (removed.conversation_id, removed.reason) == (c, "removed")


async def test_a_conversation_that_appeared_during_a_break_is_told_and_read_from_its_start(
    world: World,
) -> None:
    async with world.client() as client, client.chat() as chat:
        world.cut()
        c = world.conversation(events=5)
        world.read_marks[c] = 3  # joined at 3
        added = await until_kind(chat, ConversationAdded)
        assert added.conversation.conversation_id == c
        assert await seqs(chat, 3) == [3, 4, 5]


async def test_a_live_conversation_begins_with_its_first_event(world: World) -> None:
    async with world.client() as client, client.chat() as chat:
        c = world.conversation(events=7)
        await world.tell({"type": "conversation_added", "conversation": world.describe(c)})
        await world.post(c)
        added, event = [
            item for item in await take(chat.incoming(), 4) if not isinstance(item, ConnectionChanged)
        ]
        assert isinstance(added, ConversationAdded)
        assert isinstance(event, Event)
        assert event.seq == 8
        await world.tell({"type": "conversation_removed", "conversation_id": c, "reason": "left"})
        assert (await until_kind(chat, ConversationRemoved)).reason == "left"


async def test_an_event_of_an_unknown_conversation_is_placed(world: World) -> None:
    async with world.client() as client, client.chat() as chat:
        c = world.conversation(events=4)
        world.read_marks[c] = 4
        await world.post(c)
        assert await seqs(chat, 2) == [4, 5]


async def test_more_conversations_than_a_hello_can_list(world: World) -> None:
    ids = [world.conversation(f"c{n}") for n in range(1100)]
    async with world.client() as client, client.chat() as chat:
        await until(lambda: len(world.requests) == 4)  # two pages before the hello and two after it
        world.cut()
        for c in ids[-3:]:
            world.append(c)
        world.gone.add(ids[0])
        events = await take(chat.events(), 3)
        assert {event.conversation_id for event in events} == set(ids[-3:])
        # One of those that hello had no room for, while everybody looked away.
        resumed = world.hellos[1]["resume"]
        assert len(resumed) == 1000
        assert ids[0] in resumed
        unlisted = next(c for c in ids if c not in resumed)

        def meanwhile(_: ServerConnection, command: Json) -> None:
            if command["type"] == "hello":
                world.append(unlisted)

        world.before_answer = meanwhile
        world.cut()
        assert (await anext(chat.events())).conversation_id == unlisted


async def test_a_late_hello_loses_nothing(world: World) -> None:
    c = world.conversation()

    def too_late(_: ServerConnection, command: Json) -> list[Json] | None:
        if command["type"] != "hello" or len(world.hellos) == 1:
            return None
        error = {"type": "error", "ref": "hello", "code": "CONFLICT", "message": "too late"}
        return [{"type": "event", **world.append(c)}, error]

    world.before_answer = too_late
    async with world.client() as client, client.chat() as chat:
        world.cut()
        world.append(c)
        assert await seqs(chat, 2) == [2, 3]


async def test_cursors_survive_the_process(world: World, tmp_path: Path) -> None:
    c = world.conversation(events=3)
    store = FileCursors(tmp_path / "cursors.json")
    async with world.client() as client:
        async with client.chat(cursors=store) as chat:
            await world.post(c)
            await world.post(c)
            assert await seqs(chat, 2) == [4, 5]
        assert await store.load() == {c: 5}
        world.append(c)
        world.append(c)
        with contextlib.suppress(KeyError):
            async with client.chat(cursors=store) as chat:
                assert await seqs(chat, 2) == [6, 7]
                raise KeyError
        assert await store.load() == {c: 6}  # done since 7 was asked for; 7 itself was being processed
        async with client.chat(cursors=store) as chat:
            assert await seqs(chat, 1) == [7]
            d = world.conversation(events=2)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await seqs(chat, 1)
        async with client.chat(cursors=store) as chat:
            assert [(event.conversation_id, event.seq) for event in await take(chat.events(), 2)] == [
                (d, 1),
                (d, 2),
            ]
    assert (tmp_path / "cursors.json").stat().st_mode & 0o777 == 0o600


async def test_a_first_run_that_crashes_skips_nothing(world: World, tmp_path: Path) -> None:
    c = world.conversation(events=3)
    store = FileCursors(tmp_path / "cursors.json")
    async with world.client() as client, client.chat(cursors=store):
        assert await store.load() == {c: 3}


async def test_a_damaged_cursor_file_is_not_overwritten(world: World, tmp_path: Path) -> None:
    path = tmp_path / "cursors.json"
    path.write_text("{")
    async with world.client() as client:
        with pytest.raises(Exception, match=r"cursors\.json"):
            await client.chat(cursors=FileCursors(path)).start()
    assert path.read_text() == "{"


async def test_one_conversation_only(world: World) -> None:
    c, _ = world.conversation(events=2), world.conversation()
    async with world.client() as client:
        async with client.chat(conversation_id=c) as chat:
            await world.post(c)
            assert await seqs(chat, 1) == [3]
        with pytest.raises(ApiFailure, match="FORBIDDEN"):
            await client.chat(conversation_id=new_id()).start()
    assert world.upgrades[0].path == f"/v1/ws/chat?conversation_id={c}"
    assert world.hellos[0]["resume"] == {c: 2}
