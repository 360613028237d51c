"""Sockets: scenarios S11, S12 and S21, who gets which events when people come, go and reconnect."""

import asyncio
import contextlib
import json
import random
from typing import Any

from tests.faults.plan import SEED
from tests.scenarios.conftest import Register
from tests.scenarios.sockets import close_reason
from tests.scenarios.steps import Chat, Person, direct, group, send, whole_log, ws


def about(chat: Chat, conversation_id: str) -> list[Any]:
    """Every frame that names the conversation, in the order of arrival; acks and receipts apart."""
    told = []
    for frame in chat.seen:
        conversation = frame.get("conversation", frame)
        if frame["type"] not in {"ack", "receipt"} and conversation.get("conversation_id") == conversation_id:
            told.append(frame)
    return told


def summary(frame: Any) -> tuple[str, Any]:
    return (frame["type"], frame.get("kind"))


async def talk(chat: Chat, conversation_id: str, count: int, before: asyncio.Event, at: int) -> list[int]:
    """Send `count` messages, set `before` after the first `at`; returns their seqs."""
    seqs = []
    for number in range(count):
        ack = await chat.command("message_send", conversation_id=conversation_id, content=f"{number}")
        assert ack["type"] == "ack", ack
        seqs.append(ack["seq"])
        if number == at:
            before.set()
    return seqs


async def test_s11_removed_in_the_middle_of_it(reg: Register) -> None:
    """A removes C while B talks: C's last event is its own removal, then it is told, then nothing comes."""
    a, b, c = await reg("a", "b", "c")
    g = (await group(a, [b, c]))["conversation_id"]
    other = (await direct(a, c))["conversation_id"]
    async with ws(b) as speaker, ws(c) as mine, ws(c, query=f"?conversation_id={g}") as filtered:
        now = asyncio.Event()
        talking = asyncio.create_task(talk(speaker, g, 100, now, 45))
        await now.wait()
        (await a.delete(f"/v1/conversations/{g}/participants/{c.user_id}")).ok()
        seqs = await talking
        removed = await speaker.frame(type="event", kind="member_removed")
        assert seqs[45] < removed["seq"] < seqs[-1], "the removal came in the middle"
        assert await filtered.close_code() == 4005
        assert close_reason(filtered.connection.close_reason) == {"code": "removed"}
        marker = (await send(a, other, "after all")).ok(201)
        await mine.frame(type="event", conversation_id=other, seq=marker["seq"])
        for chat in (mine, filtered):
            *told, last = about(chat, g)
            assert last == {"type": "conversation_removed", "conversation_id": g, "reason": "removed"}
            assert [frame["seq"] for frame in told] == list(range(2, removed["seq"] + 1))
            assert told[-1] == removed
            assert removed["data"] == {"user_id": c.user_id, "by": a.user_id, "reason": "removed"}

    for path in ("", "/events?after_seq=0", "/participants"):
        (await c.get(f"/v1/conversations/{g}{path}")).is_error(403, "FORBIDDEN")
    (await c.get(f"/v1/messages?conversation_id={g}")).is_error(403, "FORBIDDEN")
    (await send(c, g, "still here?")).is_error(403, "FORBIDDEN")
    assert g not in [
        one["conversation_id"] for one in (await c.get("/v1/conversations")).ok()["conversations"]
    ]
    async with ws(c, resume={g: removed["seq"] - 1}) as again:
        answer = (await again.frame(type="ack"))["resume"][g]
        assert answer == {"recovered": False, "reason": "removed", "last_seq": 0}
        marker = (await send(a, other, "again")).ok(201)
        await again.frame(type="event", conversation_id=other, seq=marker["seq"])
        assert about(again, g) == []


async def test_s11_leaving_is_told_as_leaving(reg: Register) -> None:
    """Who leaves gets its own removal with the reason `left`, and nothing more."""
    a, b, c = await reg("a", "b", "c")
    g = (await group(a, [b, c]))["conversation_id"]
    async with ws(c) as mine:
        (await c.post(f"/v1/conversations/{g}/leave", {})).ok()
        told = await mine.frame(type="conversation_removed", conversation_id=g)
        assert told["reason"] == "left"
        assert about(mine, g)[-2]["data"] == {"user_id": c.user_id, "by": c.user_id, "reason": "left"}


async def test_s12_added_in_the_middle_of_it(reg: Register) -> None:
    """A adds D while B talks: D first gets the conversation, then its own arrival, then what follows."""
    a, b, d = await reg("a", "b", "d")
    g = (await group(a, [b]))["conversation_id"]
    async with ws(b) as speaker, ws(d) as mine:
        now = asyncio.Event()
        talking = asyncio.create_task(talk(speaker, g, 60, now, 20))
        await now.wait()
        (await a.post(f"/v1/conversations/{g}/participants", {"user_ids": [d.user_id]})).ok()
        seqs = await talking
        await mine.frame(type="event", conversation_id=g, seq=seqs[-1])
        first, second, *rest = about(mine, g)
        assert summary(first) == ("conversation_added", None)
        assert first["conversation"]["my"]["role"] == "member"
        assert summary(second) == ("event", "member_added")
        assert second["data"] == {
            "user_id": d.user_id,
            "by": a.user_id,
            "via": "added",
            "role": "member",
        }
        assert seqs[20] < second["seq"] < seqs[-1], "the addition came in the middle"
        assert [frame["seq"] for frame in rest] == list(range(second["seq"] + 1, seqs[-1] + 1))
        # And once more after a removal.
        at = len(mine.seen)
        (await a.delete(f"/v1/conversations/{g}/participants/{d.user_id}")).ok()
        await mine.frame(type="conversation_removed", conversation_id=g)
        (await a.post(f"/v1/conversations/{g}/participants", {"user_ids": [d.user_id]})).ok()
        await mine.frame(type="event", kind="member_added", after=at)
        assert [summary(frame) for frame in about(mine, g)[-4:]] == [
            ("event", "member_removed"),
            ("conversation_removed", None),
            ("conversation_added", None),
            ("event", "member_added"),
        ]


class Wanderer:
    """A client that comes and goes, and keeps every event that any of its sockets brought."""

    def __init__(self, person: Person, conversation_id: str) -> None:
        self.person = person
        self.conversation_id = conversation_id
        self.got: list[tuple[int, str]] = []
        self._chat: Chat | None = None
        self._stack = contextlib.AsyncExitStack()

    async def act(self, chance: random.Random) -> None:
        """Whatever comes to its mind."""
        if self._chat is None:
            await (self.resume() if chance.random() < 0.6 else self.post())
        elif (what := chance.random()) < 0.35:
            await self.disconnect(abruptly=chance.random() < 0.5)
        elif what < 0.5:
            await self.post()
        else:
            for _ in range(chance.randint(1, 3)):
                await self.say()

    async def post(self) -> None:
        (await send(self.person, self.conversation_id, "by HTTP")).ok(201)

    async def say(self) -> None:
        """Send without waiting for the answer: a disconnect may come first."""
        assert self._chat is not None
        fields = {"type": "message_send", "conversation_id": self.conversation_id, "content": "by socket"}
        await self._chat.raw(json.dumps(fields))

    async def resume(self) -> None:
        last = self.got[-1][0] if self.got else 0
        chat = await self._stack.enter_async_context(ws(self.person, resume={self.conversation_id: last}))
        assert chat.seen[1]["resume"][self.conversation_id]["recovered"] is True, chat.seen[1]
        self._chat = chat

    async def disconnect(self, *, abruptly: bool = False) -> None:
        if self._chat is not None:
            if abruptly:
                self._chat.connection.transport.abort()
            await self._stack.aclose()
            self.got += [
                (event["seq"], event["event_id"]) for event in self._chat.events(self.conversation_id)
            ]
            self._chat = None

    async def finish(self, head: int) -> None:
        """Come back for good and read everything."""
        if self._chat is None:
            await self.resume()
        assert self._chat is not None
        if not self.got or self.got[-1][0] < head:
            await self._chat.frame(type="event", conversation_id=self.conversation_id, seq=head)
        await self.disconnect()


async def test_s21_whatever_the_interleaving(reg: Register) -> None:
    """1,000 random rounds of send, disconnect and resume by 5 clients, some at the same time: each client's
    frames together are the exact log, ascending, without repeats."""
    people = await reg("a", "b", "c", "d", "e")
    g = (await group(people[0], people[1:]))["conversation_id"]
    wanderers = [Wanderer(person, g) for person in people]
    chance = random.Random(SEED)
    for _ in range(1000):
        acting = chance.sample(wanderers, chance.choice((1, 1, 2, 3)))
        await asyncio.gather(*(each.act(chance) for each in acting))
    head = (await send(people[0], g, "the end")).ok(201)["seq"]
    for each in wanderers:
        await each.finish(head)
    log = [(event["seq"], event["event_id"]) for event in await whole_log(people[0], g)]
    assert [seq for seq, _ in log] == list(range(1, log[-1][0] + 1))
    assert log[-1][0] >= head
    for each in wanderers:
        assert each.got == log[: len(each.got)], f"seed {SEED}"
        assert each.got[-1][0] >= head
