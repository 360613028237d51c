"""Threads, forwards, receipts, scheduled messages and drafts by the SDK against a real server."""

from datetime import UTC, datetime, timedelta

import pytest

from secureconnect.client import Conflict, walk
from tests.scenarios.sdk import me, person
from tests.scenarios.server import Server


async def test_every_call_of_threads(server: Server) -> None:
    async with person(server.url, "a") as ann, person(server.url, "b") as bob:
        a, b = await me(ann), await me(bob)
        g = (await ann.conversations.create_group("G", [b])).conversation_id
        other = (await ann.conversations.create_group("H", [b])).conversation_id
        root = await ann.messages.send(g, "root")
        for text in ("1", "2"):
            await bob.messages.send(g, text, thread_root_id=root.message_id)
        thread = await ann.threads.read(root.message_id, limit=1)
        assert (thread.root.reply_count, thread.participants) == (2, [a, b])
        replies = [each.content async for each in walk(ann.threads.read, root.message_id, limit=1)]
        assert replies == ["1", "2"]
        assert (thread.state.following, thread.state.unread_count) == (True, 2)
        head = thread.root.seq + 2
        assert (await ann.threads.update(root.message_id, last_read_seq=head)).unread_count == 0
        assert (await ann.threads.update(root.message_id, following=False)).following is False
        carried = await bob.threads.forward(root.message_id, other, client_message_id="k")
        assert (carried.content, carried.forwarded) == ("root", True)
        assert await bob.threads.forward(root.message_id, other, client_message_id="k") == carried
        await bob.messages.read(g, root.message_id)
        (receipt,) = (await ann.threads.receipts(root.message_id)).items
        assert (receipt.user_id, receipt.read, receipt.read_at is not None) == (b, True, True)


async def test_every_call_of_what_comes_later(server: Server) -> None:
    async with person(server.url, "a") as ann, person(server.url, "b") as bob:
        g = (await ann.conversations.create_group("G", [await me(bob)])).conversation_id
        at = datetime.now(UTC) + timedelta(hours=1)
        waiting = await ann.scheduled.create(g, "later", at, metadata={"n": 1})
        assert (waiting.status, waiting.content, waiting.metadata) == ("pending", "later", {"n": 1})
        moved = await ann.scheduled.update(
            waiting.scheduled_id, content="new", send_at=at + timedelta(hours=1)
        )
        assert (moved.content, moved.send_at > waiting.send_at) == ("new", True)
        assert [each.scheduled_id async for each in walk(ann.scheduled.list, conversation_id=g)] == [
            waiting.scheduled_id
        ]
        assert (await ann.scheduled.cancel(waiting.scheduled_id)).status == "cancelled"
        with pytest.raises(Conflict):
            await ann.scheduled.cancel(waiting.scheduled_id)
        assert len((await ann.scheduled.list(status="cancelled")).items) == 1

        assert await ann.drafts.get(g) is None
        saved = await ann.drafts.save(g, "half")
        assert saved is not None
        assert await ann.drafts.get(g) == saved
        await ann.drafts.remove(g)
        assert await ann.drafts.get(g) is None
