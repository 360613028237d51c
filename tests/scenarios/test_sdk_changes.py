"""Changing messages by the SDK against a real server."""

import pytest

from secureconnect.client import Conflict, NotFound, walk
from tests.scenarios.sdk import me, person
from tests.scenarios.server import Server


async def test_every_call_that_changes_messages(server: Server) -> None:
    async with person(server.url, "a") as ann, person(server.url, "b") as bob:
        a, b = await me(ann), await me(bob)
        g = (await ann.conversations.create_group("G", [b])).conversation_id
        first = (await ann.messages.send(g, "1", metadata={"n": 1})).message_id
        edited = await ann.messages.edit(first, "2", mentions=[b], base_edit_count=0)
        assert (edited.content, edited.metadata, edited.mentions) == ("2", {"n": "1"}, [b])
        with pytest.raises(Conflict):
            await ann.messages.edit(first, "3", base_edit_count=0)
        assert (await ann.messages.edit(first, "3", metadata=None)).metadata == {}
        said = [each.content async for each in walk(bob.messages.history, first, limit=1)]
        assert said == ["1", "2"]
        await bob.messages.react(first, "👍")
        (thumb,) = await ann.messages.react(first, "👍")
        assert (thumb.emoji, thumb.count, thumb.me, thumb.user_ids) == ("👍", 2, True, [b, a])
        who = [each.user.user_id async for each in walk(ann.messages.reactors, first, emoji="👍", limit=1)]
        assert who == [b, a]
        assert [each.count for each in await ann.messages.unreact(first, "👍")] == [1]
        with pytest.raises(NotFound):
            await ann.messages.unreact(first, "👍")
        await bob.messages.pin(g, first)
        await bob.messages.pin(g, first)
        assert [each.message_id for each in (await ann.messages.pins(g)).items] == [first]
        await ann.messages.unpin(g, first)
        await bob.messages.delete(first, for_everyone=False)
        with pytest.raises(NotFound):
            await bob.messages.get(first)
        gone = await ann.messages.delete(first)
        assert (await ann.messages.get(first)).deleted_at == gone


async def test_every_command_that_changes_messages(server: Server) -> None:
    async with person(server.url, "a") as ann, person(server.url, "b") as bob, ann.chat() as chat:
        g = (await ann.conversations.create_group("G", [await me(bob)])).conversation_id
        sent = await chat.send(g, "1")
        edited = await chat.edit(sent.message_id, "2", base_edit_count=0)
        assert (edited.seq, edited.edit_count) == (sent.seq + 1, 1)
        assert (await chat.react(sent.message_id, "👍")).seq == edited.seq + 1
        assert (await chat.react(sent.message_id, "👍")).seq is None
        assert (await chat.unreact(sent.message_id, "👍")).seq == edited.seq + 2
        assert (await chat.delete(sent.message_id, for_everyone=False)).seq is None
        assert (await chat.delete(sent.message_id)).seq == edited.seq + 3
        assert (await bob.messages.get(sent.message_id)).delete_reason == "sender"
