"""Two people talk through the SDK, and go on talking when the server dies (guarantees G1, G4, G6, G10)."""

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from secureconnect.client import (
    Backoff,
    Chat,
    Client,
    Conflict,
    ConnectionChanged,
    ConnectionState,
    ConversationAdded,
    ConversationState,
    Event,
    FileCursors,
    Forbidden,
    InvalidCredentials,
    InvalidRequest,
    LocalState,
    NotFound,
    Presence,
    Receipt,
    SendAck,
    SessionEnded,
    SocketClosed,
    Typing,
    walk,
)
from tests.scenarios.conftest import Serve
from tests.scenarios.server import Server
from tests.scenarios.steps import PASSWORD, stranger


def quick() -> Backoff:
    """Reconnects that do not make the tests wait."""
    return Backoff((0.05, 0.1, 0.2), reset_after=1)


@contextlib.asynccontextmanager
async def person(url: str, name: str) -> AsyncIterator[Client]:
    """A freshly registered user."""
    who = stranger(url, name)
    async with Client(url, backoff=quick) as client:
        await client.auth.register(
            email=who.email, username=who.username, password=PASSWORD, display_name=f"User {name}"
        )
        yield client


async def me(client: Client) -> str:
    return (await client.auth.profile()).user_id


async def texts(chat: Chat, count: int, seconds: float = 20) -> list[str]:
    """The contents of the next messages."""
    found: list[str] = []
    async with asyncio.timeout(seconds):
        async for event in chat.events():
            if event.kind == "message_created":
                found.append(event.data["message"]["content"])
                if len(found) == count:
                    break
    return found


async def until(chat: Chat, kind: type[Any], wanted: Callable[[Any], bool] = lambda _: True) -> Any:
    """The next item of this kind."""
    async with asyncio.timeout(20):
        async for item in chat.incoming():
            if isinstance(item, kind) and wanted(item):
                return item
    raise AssertionError("the chat ended")


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


async def test_every_call_of_people_and_friends(server: Server) -> None:
    async with person(server.url, "a") as ann, person(server.url, "b") as bob:
        a, b = await me(ann), await me(bob)
        changed = await ann.users.update(about="x", privacy={"send_read_receipts": False})
        assert (changed.about, changed.privacy.send_read_receipts) == ("x", False)
        assert (await ann.users.update(about=None)).about is None
        assert (await ann.friends.ask(b)).direction == "outgoing"
        with pytest.raises(Conflict):
            await ann.friends.ask(b)
        assert [each.user.user_id async for each in walk(bob.friends.requests)] == [a]
        await bob.friends.reject(a)
        await ann.friends.ask(b)
        await ann.friends.withdraw(b)
        await ann.friends.ask(b)
        assert (await bob.friends.accept(a)).status == "accepted"
        assert (await ann.users.get(b)).friendship == "friends"
        assert [each.user_id for each in (await ann.friends.list(offset=0, limit=10)).items] == [b]
        assert (await ann.users.mutual_friends(b)).items == []
        await ann.friends.remove(b)
        await ann.blocks.add(b, "spam")
        assert [each.reason for each in (await ann.blocks.list()).items] == ["spam"]
        assert (await ann.users.get(b)).blocked_by_me
        await ann.blocks.remove(b)
        with pytest.raises(NotFound):
            await ann.blocks.remove(b)
        with pytest.raises(InvalidRequest) as caught:
            await ann.users.search("x")
        assert caught.value.details[0].field == "q"


async def test_every_call_of_sessions(server: Server) -> None:
    async with person(server.url, "a") as ann, Client(server.url) as phone:
        name = (await ann.users.me()).username
        await phone.auth.login(username=name, password=PASSWORD, device_name="phone")
        sessions = [each async for each in walk(ann.auth.sessions, limit=1)]
        assert sorted(each.device_name or "" for each in sessions) == ["", "phone"]
        before = ann.tokens
        assert await ann.auth.refresh() != before
        await ann.auth.reauthenticate(PASSWORD)
        await ann.users.change_password(PASSWORD, "Quartz-Lantern-77-Moss")
        with pytest.raises(SessionEnded):
            await phone.users.me()
        with pytest.raises(InvalidCredentials):
            await phone.auth.login(username=name, password=PASSWORD)
        result = await phone.auth.login(username=name, password="Quartz-Lantern-77-Moss")
        async with phone.chat() as chat:
            await ann.auth.revoke(result.session_id)
            with pytest.raises(SocketClosed) as caught:
                await until(chat, Presence)
            assert caught.value.code == 4003
        assert await ann.auth.revoke_others() == 0
        assert (await ann.tickets.create()).expires_in == 30
        lease = await ann.presence.update(online=True, status="busy")
        assert (lease.status, lease.expires_in) == ("busy", 300)
        assert [each.status for each in await ann.presence.get([await me(ann)])] == ["busy"]
        await ann.auth.logout()
        assert ann.tokens is None


async def test_every_call_of_conversations_and_what_events_make_of_them(server: Server) -> None:
    async with (
        person(server.url, "a") as ann,
        person(server.url, "b") as bob,
        person(server.url, "c") as cat,
        ann.chat() as chat,
    ):
        b, c = await me(bob), await me(cat)
        group = await ann.conversations.create_group("Lunch", [b], description="noon")
        g = group.conversation_id
        state = LocalState()
        await ann.conversations.update(g, title="Dinner", description=None)
        await ann.conversations.update_settings(g, message_retention_days=7, invite_permission="members")
        assert (await ann.conversations.add(g, [c])).added == [c]
        await ann.conversations.set_role(g, c, "admin")
        await ann.conversations.remove(g, c)
        invite = await bob.invites.create(g, max_uses=1)
        assert [each.code for each in (await bob.invites.list(g)).items] == [invite.code]
        assert (await bob.invites.look(invite.code)).title == "Dinner"
        with pytest.raises(Exception, match="FORBIDDEN"):
            await cat.invites.join(invite.code)  # removed by an admin: only an admin may add again
        await bob.invites.revoke(g, invite.invite_id)
        await ann.conversations.add(g, [c])
        await ann.auth.reauthenticate(PASSWORD)
        assert (await ann.conversations.transfer(g, b)).owner_id == b
        sent = await cat.messages.send(g, "hungry", metadata={"n": 5})
        await cat.conversations.leave(g)
        assert (await ann.messages.get(sent.message_id)).metadata == {"n": "5"}
        assert (await ann.conversations.mute(g)).muted_until is not None
        assert (await ann.conversations.unmute(g)).muted_until is None
        assert (await ann.conversations.archive(g)).archived
        assert g not in {each.conversation_id async for each in walk(ann.conversations.list)}
        assert not (await ann.conversations.unarchive(g)).archived
        assert (await ann.messages.read(g, sent.message_id)).last_read_seq == sent.seq
        last = await ann.messages.send(g, "me too")
        assert (await bob.conversations.read(g, last.seq)).unread_count == 0

        # Applying the events gives the same as reading the conversation.
        async with asyncio.timeout(20):
            async for event in chat.events():
                state.apply(event)
                if event.seq == last.seq:
                    break
        read = ConversationState.of(
            await ann.conversations.get(g),
            [each async for each in walk(ann.conversations.participants, g)],
            [each async for each in walk(ann.messages.list, g)],
        )
        assert state.conversations[g] == read
        page = await ann.messages.events(g, after_seq=1, limit=2)
        assert ([each.seq for each in page.events], page.last_seq, page.has_more) == ([2, 3], last.seq, True)
        entry = next(each for each in (await ann.messages.sync()).items if each.conversation_id == g)
        assert (entry.last_seq, entry.role) == (last.seq, "admin")
        await bob.conversations.delete(g)
        with pytest.raises(NotFound):
            await ann.conversations.get(g)


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


async def seqs(chat: Chat, last: int) -> list[int]:
    """The seqs of the events up to `last`."""
    found: list[int] = []
    async with asyncio.timeout(60):
        async for event in chat.events():
            found.append(event.seq)
            if event.seq == last:
                break
    return found


async def test_every_call_of_administrators(serve: Serve, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    async with serve() as server, person(server.url, "a") as ann, Client(server.url) as admin:
        with pytest.raises(Forbidden):
            await ann.admin.audit_logs()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "secureconnect", "createadmin", "--data-dir", str(server.data_dir)),
            *("--email", "chief@example.test", "--username", "chief", "--password-file", str(password)),
            env=server.environment,
            cwd=tmp_path,
        )
        assert await process.wait() == 0
        await admin.auth.login(username="chief", password=PASSWORD)
        logins = await admin.admin.audit_logs(action="register", actor_id=await me(ann))
        assert [(each.event, each.result) for each in logins.items] == [("register", "success")]
        assert logins.total_count == 1
        rotation = await admin.admin.rotate_keys()
        assert rotation.previous_valid_until > logins.items[0].timestamp
        assert (await ann.auth.refresh()).access_token
