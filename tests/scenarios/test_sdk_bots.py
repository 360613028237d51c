"""Bots, webhooks and reports by the SDK against a real server."""

import asyncio
import secrets
from urllib.parse import urlsplit

import pytest

from secureconnect.client import (
    Client,
    ConnectionLost,
    Forbidden,
    InvalidRequest,
    NotFound,
    NotLoggedIn,
    RetryPolicy,
    SessionEnded,
    SocketClosed,
    walk,
)
from tests.scenarios.sdk import me, person, quick, texts
from tests.scenarios.server import Server, free_port
from tests.scenarios.steps import ISSUED, PASSWORD, Person


async def test_every_call_of_bots(server: Server) -> None:
    async with person(server.url, "a") as ann:
        name = f"robot-{secrets.token_hex(4)}_bot"
        made = await ann.bots.create(name, "Robot", ["messages:read", "messages:write"])
        ISSUED.add(made.token)
        assert made.token not in repr(made)
        bot_id = made.bot.user_id
        assert [each.user_id async for each in walk(ann.bots.list, limit=1)] == [bot_id]
        assert (await ann.bots.update(bot_id, display_name="Rob")).display_name == "Rob"
        group = (await ann.conversations.create_group("G", [bot_id])).conversation_id
        async with Client(server.url, bot_token=made.token, backoff=quick) as bot, bot.chat() as chat:
            assert chat.user_id == bot_id
            await ann.messages.send(group, "hello")
            assert await texts(chat, 1) == ["hello"]
            await chat.send(group, "hi")
            with pytest.raises(Forbidden) as caught:
                await bot.users.me()
            assert caught.value.code == "INSUFFICIENT_SCOPE"
            with pytest.raises(NotLoggedIn):
                await bot.auth.refresh()
            # Other scopes: the chat reconnects by itself and goes on.
            scopes = ["messages:read", "conversations:read"]
            assert (await ann.bots.update(bot_id, scopes=scopes)).scopes == scopes
            await ann.messages.send(group, "still there?")
            assert await texts(chat, 2) == ["hi", "still there?"]
            with pytest.raises(Forbidden):
                await bot.messages.send(group, "no")
            token = await ann.bots.rotate_token(bot_id)
            ISSUED.add(token)
            with pytest.raises(SocketClosed) as closed:
                await texts(chat, 1)
            assert closed.value.code == 4003
            with pytest.raises(SessionEnded):
                await bot.messages.sync()
        async with Client(server.url, bot_token=token) as bot:
            assert [entry.conversation_id for entry in (await bot.messages.sync()).items] == [group]
        await ann.bots.delete(bot_id)
        with pytest.raises(NotFound):
            await ann.bots.get(bot_id)
    with pytest.raises(ValueError, match="bot"):
        Client(server.url, bot_token="")


async def test_every_call_of_webhooks(server: Server) -> None:
    async with person(server.url, "a") as ann, person(server.url, "b") as bob:
        group = (await ann.conversations.create_group("G", [await me(bob)])).conversation_id
        webhook = await ann.webhooks.create(group, "CI")
        assert webhook.url is not None
        path = urlsplit(webhook.url).path
        secret = path.rpartition("/")[2]
        ISSUED.add(secret)
        assert secret not in repr(webhook)
        with pytest.raises(Forbidden):
            await bob.webhooks.list(group)
        async with Client(server.url, retry=RetryPolicy(())) as anybody:
            posted = await anybody.webhooks.post(server.url + path, "green")
            message = await bob.messages.get(posted.message_id)
            assert (message.sender_id, message.sender_name, message.seq) == (None, "CI", posted.seq)
            with pytest.raises(InvalidRequest):
                await anybody.webhooks.post(server.url + path, " ")
            with pytest.raises(ConnectionLost) as lost:
                await anybody.webhooks.post(f"http://127.0.0.1:{free_port()}{path}", "x")
            assert secret not in str(lost.value)
            renewed = await ann.webhooks.rotate(group, webhook.webhook_id)
            assert renewed.url not in {None, webhook.url}
            with pytest.raises(NotFound):
                await anybody.webhooks.post(server.url + path, "old")
        listed = [each async for each in walk(ann.webhooks.list, group, limit=1)]
        assert [(each.webhook_id, each.url) for each in listed] == [(webhook.webhook_id, None)]
        await ann.webhooks.delete(group, webhook.webhook_id)
        assert (await ann.webhooks.list(group)).items == []


async def test_every_call_of_reports(server: Server, admin: Person) -> None:
    async with (
        person(server.url, "a") as ann,
        person(server.url, "b") as bob,
        Client(server.url) as chief,
    ):
        await chief.auth.login(username=admin.username, password=PASSWORD)
        group = (await ann.conversations.create_group("G", [await me(bob)])).conversation_id
        sent = await ann.messages.send(group, "rude")
        wanted = {
            await bob.reports.user(await me(ann), "not nice"),
            await bob.reports.conversation(group, "not nice"),
            message := await bob.reports.message(sent.message_id, "not nice", include_content=True),
        }
        with pytest.raises(NotFound):
            await bob.reports.user(message, "not there")
        async with asyncio.timeout(20):
            found = {each.report_id: each async for each in walk(chief.admin.reports, limit=50)}
        assert wanted <= found.keys()
        assert (found[message].content, found[message].target_type) == ("rude", "message")
        report = await chief.admin.resolve_report(message, "delete_message", "against the rules")
        assert (report.status, report.note) == ("resolved", "against the rules")
        assert (await bob.messages.get(sent.message_id)).content == ""
        assert message in {each.report_id for each in (await chief.admin.reports("resolved")).items}
