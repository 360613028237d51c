"""Commands: answered, repeated when the outcome is unknown, told again after a reconnect."""

import asyncio
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from secureconnect.client import (
    ApiFailure,
    ConnectionLost,
    ConnectionState,
    Event,
    Presence,
    Typing,
)
from tests.unit.client.streams import seqs, until_kind
from tests.unit.client.world import ME, NOW, Sleeper, World, until

Json = dict[str, Any]


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
