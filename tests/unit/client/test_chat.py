"""The chat: reconnects by the close codes, resumes, misses nothing, sends once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.server import ServerConnection

from secureconnect.client import (
    ApiFailure,
    Backoff,
    Chat,
    ConnectionChanged,
    ConnectionLost,
    ConnectionState,
    ConversationAdded,
    ConversationRemoved,
    ConversationReset,
    Event,
    FileCursors,
    NotFound,
    NotLoggedIn,
    Presence,
    SessionEnded,
    SocketClosed,
    Typing,
)
from secureconnect.kit.ids import new_id
from tests.unit.client.world import ME, NOW, Sleeper, World, refusal, until

Json = dict[str, Any]


async def take(stream: AsyncIterator[Any], count: int) -> list[Any]:
    """The next items."""
    async with asyncio.timeout(5):
        return [await anext(stream) for _ in range(count)]


async def seqs(chat: Chat, count: int) -> list[int]:
    return [event.seq for event in await take(chat.events(), count)]


async def until_kind(chat: Chat, kind: type[Any]) -> Any:
    async with asyncio.timeout(5):
        async for item in chat.incoming():
            if isinstance(item, kind):
                return item
        raise AssertionError(f"the chat ended without {kind.__name__}")


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


async def test_a_send_without_an_answer_is_repeated_and_exists_once(world: World) -> None:
    c = world.conversation()
    async with world.client() as client, client.chat() as chat:
        cuts = 0

        def cut(connection: ServerConnection, command: Json) -> list[Json] | None:
            nonlocal cuts
            if command["type"] != "message_send" or cuts == 2:
                return None
            cuts += 1
            connection.transport.abort()  # committed, but nobody hears of it
            return []

        world.before_answer = cut
        ack = await chat.send(c, "once")
        assert ack.duplicate
        assert ack.seq == 2
        assert await seqs(chat, 1) == [2]
    assert len(world.logs[c]) == 2
    sends = [command for command in world.commands if command["type"] == "message_send"]
    assert len(sends) == 3
    assert len({send["client_message_id"] for send in sends}) == 1


async def test_a_send_waits_for_the_connection(world: World) -> None:
    c = world.conversation()
    async with world.client() as client, client.chat() as chat:
        world.refuse.append((503, "SHUTTING_DOWN", None))
        world.cut()
        await until(lambda: chat.state is not ConnectionState.CONNECTED)
        assert (await chat.send(c, "later")).seq == 2


async def test_many_sends_at_once_find_their_own_answers(world: World) -> None:
    c = world.conversation()
    async with world.client() as client, client.chat() as chat:
        acks = await asyncio.gather(*(chat.send(c, str(n)) for n in range(50)))
    contents = {ack.seq: n for n, ack in enumerate(acks)}
    assert [event["data"]["message"]["content"] for event in world.logs[c][1:]] == [
        str(contents[seq]) for seq in range(2, 52)
    ]


async def test_transient_refusals_of_a_send_are_repeated_and_others_are_raised(world: World) -> None:
    c = world.conversation()
    answers: list[Json | None] = [
        {"code": "RATE_LIMIT_EXCEEDED", "retry_after": 2},
        {"code": "TIMELINE_UNAVAILABLE"},
        None,
        {"code": "FORBIDDEN"},
    ]

    def refuse(_: ServerConnection, command: Json) -> list[Json] | None:
        answer = answers.pop(0)
        if answer is None:
            return None
        return [{"type": "error", "ref": command["ref"], "message": "no", **answer}]

    sleeper = Sleeper()
    async with world.client(sleeper) as client, client.chat() as chat:
        world.before_answer = refuse
        await chat.send(c, "x")
        assert sleeper.slept == [2.125, 1.5]
        with pytest.raises(ApiFailure, match="FORBIDDEN") as caught:
            await chat.send(c, "x")
        assert caught.value.status == 403


async def test_a_command_that_is_too_large_is_not_sent(world: World) -> None:
    world.max_frame_bytes = 1000
    c = world.conversation()
    async with world.client() as client, client.chat() as chat:
        with pytest.raises(ApiFailure, match="PAYLOAD_TOO_LARGE"):
            await chat.send(c, "x" * 1000)
        await chat.ping()
    assert [command["type"] for command in world.commands] == ["ping"]


async def test_a_cancelled_send_leaves_no_trace(world: World) -> None:
    c = world.conversation()
    async with world.client() as client, client.chat() as chat:
        world.before_answer = lambda *_: []
        send = asyncio.create_task(chat.send(c, "x"))
        await until(lambda: bool(world.commands))
        send.cancel()
        await asyncio.wait([send])
        await chat.ping()


async def test_hints_arrive_and_typing_needs_no_connection(world: World) -> None:
    c = world.conversation()
    async with world.client() as client, client.chat() as chat:
        await world.tell({"type": "typing", "conversation_id": c, "user_id": ME, "is_typing": True})
        assert (await until_kind(chat, Typing)).user_id == ME
        await chat.typing(c)
        await chat.ping()
        assert world.commands[0] == {"type": "typing", "conversation_id": c, "is_typing": True}
        world.refuse.append((403, "FORBIDDEN", None))
        world.cut()
        await until(lambda: chat.state is ConnectionState.STOPPED)
        await chat.typing(c)


async def test_presence_is_told_again_after_a_reconnect(world: World) -> None:
    async with world.client() as client, client.chat() as chat:
        assert await chat.set_presence("busy", "in a call") == "busy"
        await chat.subscribe_presence([ME])
        world.commands.clear()
        world.cut()
        await until(lambda: len(world.commands) == 2)
        await world.tell({"type": "presence", "user_id": ME, "status": "away"})
        assert (await until_kind(chat, Presence)).status == "away"
    assert world.commands == [
        {"type": "presence_set", "status": "busy", "status_text": "in a call"},
        {"type": "subscribe_presence", "user_ids": [ME]},
    ]


async def test_an_expiring_token_is_replaced_on_the_open_socket(world: World) -> None:
    async with world.client() as client, client.chat():
        await world.tell({"type": "token_expiring", "expires_at": NOW})
        await until(lambda: bool(world.commands))
        assert world.commands[0]["type"] == "token_refresh"
        assert world.commands[0]["access_token"] == "t2"
        await world.tell({"type": "token_expiring", "expires_at": NOW})
        await until(lambda: len(world.commands) == 2)
        assert world.commands[1]["access_token"] == "t3"


async def test_unknown_frames_are_passed_on_and_broken_ones_end_the_connection(world: World) -> None:
    async with world.client() as client, client.chat() as chat:
        await world.tell({"type": "frame_of_the_future", "x": 1})
        await world.tell({"type": "event", "seq": "one"})
        await until(lambda: len(world.hellos) == 2)
        await until(lambda: chat.state is ConnectionState.CONNECTED)


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


async def test_closing_ends_the_iteration_and_waiting_sends(world: World) -> None:
    c = world.conversation()
    async with world.client() as client:
        chat = client.chat()
        await chat.start()
        world.before_answer = lambda *_: []
        send = asyncio.create_task(chat.send(c, "x"))
        await until(lambda: bool(world.commands))
        closing = asyncio.create_task(chat.aclose())
        assert [event.seq async for event in chat.events()] == [2]
        with pytest.raises(ConnectionLost, match="closed"):
            await send
        await closing
        assert chat.state is ConnectionState.STOPPED


async def test_two_readers_at_once_are_refused(world: World) -> None:
    async with world.client() as client, client.chat() as chat:
        first = asyncio.create_task(until_kind(chat, Event))
        await until(lambda: not chat._inbox._items)
        with pytest.raises(RuntimeError, match="another task"):
            await anext(chat.events())
        first.cancel()
        await asyncio.wait([first])


async def test_not_found_stops(world: World) -> None:
    world.refuse.append((404, "NOT_FOUND", None))
    async with world.client() as client:
        with pytest.raises(NotFound):
            await client.chat().start()
