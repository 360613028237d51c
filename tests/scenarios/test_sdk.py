"""Two people talk through the SDK, and go on talking when the server dies (guarantees G1, G4, G6, G10)."""

import asyncio
import contextlib
import random
from pathlib import Path

import httpx

from secureconnect.client import (
    Client,
    ConnectionChanged,
    ConnectionState,
    ConversationAdded,
    Event,
    FileCursors,
    Receipt,
    SendAck,
    Typing,
    walk,
)
from tests.scenarios.conftest import Serve
from tests.scenarios.sdk import me, person, quick, seqs, texts, until
from tests.scenarios.server import Server


async def test_two_people_talk(server: Server) -> None:
    async with (
        person(server.url, "a") as ann,
        person(server.url, "b") as bob,
        ann.chat() as at_ann,
        bob.chat() as at_bob,
    ):
        bob_name = (await bob.users.me()).username
        found = await ann.users.find(bob_name.upper())
        assert found is not None
        direct = await ann.conversations.create_direct(found.user_id)
        assert (await bob.conversations.create_direct(await me(ann))).conversation_id == (
            direct.conversation_id
        )
        added = await until(at_bob, ConversationAdded)
        assert added.conversation.conversation_id == direct.conversation_id

        ack = await at_ann.send(direct.conversation_id, "Hello, Bob ✓")
        assert not ack.duplicate
        assert await texts(at_bob, 1) == ["Hello, Bob ✓"]
        answer = await bob.messages.send(direct.conversation_id, "Hello, Ann")
        assert await texts(at_ann, 2) == ["Hello, Bob ✓", "Hello, Ann"]
        assert answer.seq == ack.seq + 1

        await at_bob.typing(direct.conversation_id)
        typing = await until(at_ann, Typing)
        assert (typing.user_id, typing.is_typing) == (await me(bob), True)
        mark = await at_ann.read(direct.conversation_id, answer.seq)
        assert (mark.last_read_seq, mark.unread_count) == (answer.seq, 0)
        receipt = await until(at_bob, Receipt, lambda frame: frame.kind == "read")
        assert (receipt.user_id, receipt.seq) == (await me(ann), answer.seq)
        assert await at_bob.ping() < 5


async def test_a_killed_server_comes_back_and_nothing_is_missing(serve: Serve) -> None:
    async with serve() as server, person(server.url, "a") as ann, person(server.url, "b") as bob:
        group = await ann.conversations.create_group("G", [await me(bob)])
        g = group.conversation_id
        async with ann.chat() as at_ann, bob.chat() as at_bob:
            await at_ann.send(g, "before")
            assert await texts(at_bob, 1) == ["before"]
            server.kill()
            await until(at_bob, ConnectionChanged, lambda each: each.state is ConnectionState.WAITING)
            late = asyncio.create_task(at_ann.send(g, "while it was down"))
            await server.start()
            assert not (await late).duplicate
            assert await texts(at_bob, 1) == ["while it was down"]
            await at_bob.send(g, "after")
            assert await texts(at_ann, 3) == ["before", "while it was down", "after"]
        seqs = [event.seq for event in (await ann.messages.events(g, after_seq=0)).events]
        assert seqs == list(range(1, len(seqs) + 1))


async def test_sends_through_repeated_kills_exist_once_and_in_order(serve: Serve) -> None:
    async with serve() as server, person(server.url, "a") as ann, person(server.url, "b") as bob:
        g = (await ann.conversations.create_group("G", [await me(bob)])).conversation_id
        wanted = [f"m{number}" for number in range(150)]
        async with ann.chat() as at_ann, bob.chat() as at_bob:
            received = asyncio.create_task(texts(at_bob, len(wanted), 60))
            acks = []
            for number, text in enumerate(wanted):
                send = asyncio.create_task(at_ann.send(g, text))
                if number in {30, 75, 120}:
                    await asyncio.sleep(0)  # the send is on its way
                    server.kill()
                    await server.start()
                acks.append(await send)
            assert await received == wanted
        assert [ack.seq for ack in acks] == sorted({ack.seq for ack in acks})
        stored = [message.content async for message in walk(ann.messages.list, g, limit=100)]
        assert stored[::-1] == wanted


async def test_an_answer_that_never_comes_is_asked_for_again(server: Server) -> None:
    """The message is committed, the answer is lost on the way: the repeat gives the first result."""

    class Lossy(httpx.AsyncHTTPTransport):
        lost = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await super().handle_async_request(request)
            if request.url.path == "/v1/messages" and request.method == "POST" and self.lost < 2:
                await response.aread()
                type(self).lost += 1
                raise httpx.ReadError("lost")
            return response

    async def at_once(_: float) -> None:
        return

    async with person(server.url, "a") as ann, person(server.url, "b") as bob:
        g = (await ann.conversations.create_group("G", [await me(bob)])).conversation_id
        async with Client(server.url, tokens=ann.tokens, transport=Lossy(), sleep=at_once) as lossy:
            sent = await lossy.messages.send(g, "once")
        assert Lossy.lost == 2
        assert [each.message_id async for each in walk(ann.messages.list, g)] == [sent.message_id]


async def test_a_program_goes_on_where_it_ended(serve: Serve, tmp_path: Path) -> None:
    store = FileCursors(tmp_path / "cursors.json")
    async with serve() as server, person(server.url, "a") as ann, person(server.url, "b") as bob:
        g = (await ann.conversations.create_group("G", [await me(bob)])).conversation_id
        async with bob.chat(cursors=store) as chat:
            await ann.messages.send(g, "one")
            assert await texts(chat, 1) == ["one"]
        await ann.messages.send(g, "two")
        await server.stop()
        await server.start()
        other = await ann.conversations.create_group("H", [await me(bob)])
        await ann.messages.send(other.conversation_id, "three")
        async with bob.chat(cursors=store) as chat:
            assert sorted(await texts(chat, 2)) == ["three", "two"]


async def test_tokens_are_renewed_in_passing(serve: Serve) -> None:
    renewed = asyncio.Event()
    async with (
        serve(auth={"access_ttl": 3}) as server,
        person(server.url, "a") as ann,
        Client(server.url, tokens=ann.tokens, on_tokens=lambda _: renewed.set(), backoff=quick) as client,
        client.chat() as chat,
    ):
        async with asyncio.timeout(30):
            await renewed.wait()
        assert await chat.ping() < 5
        assert (await client.users.me()).user_id == await me(client)


async def test_an_event_reaches_every_device(server: Server) -> None:
    async with (
        person(server.url, "a") as ann,
        Client(server.url, tokens=ann.tokens) as again,
        person(server.url, "b") as bob,
        ann.chat() as one,
        again.chat() as two,
    ):
        direct = await bob.conversations.create_direct(await me(ann))
        await one.send(direct.conversation_id, "x")
        for chat in (one, two):
            event = await until(chat, Event, lambda each: each.kind == "message_created")
            assert event.data["message"]["client_message_id"]


async def test_random_breaks_lose_and_repeat_nothing(server: Server) -> None:
    """Five people write while connections break; everybody gets the one log, in order, each event once."""
    dice = random.Random(20260131)
    async with contextlib.AsyncExitStack() as stack:
        people = [await stack.enter_async_context(person(server.url, name)) for name in "abcde"]
        ids = [await me(each) for each in people[1:]]
        g = (await people[0].conversations.create_group("G", ids)).conversation_id
        chats = [await stack.enter_async_context(each.chat()) for each in people]
        start = (await people[0].conversations.get(g)).last_seq
        steps = 400
        received = [asyncio.create_task(seqs(chat, start + steps)) for chat in chats]
        sends: list[asyncio.Task[SendAck]] = []
        for step in range(steps):
            sends.append(asyncio.create_task(dice.choice(chats).send(g, str(step))))
            if dice.random() < 0.2:
                broken = dice.choice(chats)._link.socket
                if broken is not None:
                    broken.abort()
            if dice.random() < 0.5:
                await asyncio.sleep(0)
            if dice.random() < 0.1:
                await asyncio.wait(sends, return_when=asyncio.ALL_COMPLETED)
        acks = await asyncio.gather(*sends)
        assert sorted(ack.seq for ack in acks) == list(range(start + 1, start + steps + 1))
        for seen in await asyncio.gather(*received):
            assert seen == list(range(start + 1, start + steps + 1))
