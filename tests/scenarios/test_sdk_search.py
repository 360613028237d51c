"""Search by the SDK against a real server."""

from datetime import timedelta

import pytest

from secureconnect.client import Client, Forbidden, InvalidRequest, Message, walk
from tests.scenarios.patience import eventually
from tests.scenarios.sdk import me, person
from tests.scenarios.server import Server


async def found_by(client: Client, count: int, message: Message) -> Message:
    """Wait until so many are found: what two processes take at the same moment comes in either order."""

    async def found() -> bool:
        return len((await client.messages.search("GRUSSE", limit=50)).items) == count

    await eventually(found)
    return message


async def test_every_way_to_search(server: Server) -> None:
    async with person(server.url, "a") as ann, person(server.url, "b") as bob, person(server.url, "c") as cem:
        a, b = await me(ann), await me(bob)
        g = (await ann.conversations.create_group("G", [b])).conversation_id
        sent = [
            await found_by(bob, count + 1, await ann.messages.send(g, f"Grüße {count}")) for count in range(5)
        ]
        link = await found_by(ann, 6, await bob.messages.send(g, "grüße https://example.test"))
        found = [one.message_id async for one in walk(bob.messages.search, "GRUSSE", limit=2)]
        assert found == [link.message_id, *(one.message_id for one in reversed(sent))]
        (only,) = (await ann.messages.search("grusse", conversation_id=g, sender_id=b)).items
        assert only == await ann.messages.get(link.message_id)
        assert (await ann.messages.search("has:link")).items == [only]
        assert (await ann.messages.search("gr", has="link", message_type="text")).items == [only]
        since, until = sent[1].sent_at, sent[3].sent_at
        between = (await ann.messages.search("gr", since=since, until=until)).items
        assert {one.message_id for one in sent[1:4]} <= {one.message_id for one in between}
        assert (await ann.messages.search("gr", until=since - timedelta(hours=1))).items == []
        assert (await cem.messages.search("gr", sender_id=a)).items == []
        with pytest.raises(Forbidden):
            await cem.messages.search("gr", conversation_id=g)
        with pytest.raises(InvalidRequest):
            await ann.messages.search("has:sound")
