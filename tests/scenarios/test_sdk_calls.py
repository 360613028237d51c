"""Every call of the SDK against a real server."""

import asyncio
import sys
from pathlib import Path

import pytest

from secureconnect.client import (
    Client,
    Conflict,
    ConversationState,
    Forbidden,
    InvalidCredentials,
    InvalidRequest,
    LocalState,
    NotFound,
    Presence,
    SessionEnded,
    SocketClosed,
    walk,
)
from tests.scenarios.conftest import Serve
from tests.scenarios.sdk import me, person, until
from tests.scenarios.server import Server
from tests.scenarios.steps import PASSWORD


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
