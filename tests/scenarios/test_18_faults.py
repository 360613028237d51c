"""Faults and recovery: scenarios X5, X6 and X11."""

import asyncio
import itertools
import random
import time
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.faults.plan import SEED, kills
from tests.faults.stored import Stored, check_log, check_membership, read_stored
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.crash import HttpWriter, Reader, SocketWriter, Writer, check_promises
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server
from tests.scenarios.steps import Person, group, send, whole_log

KILLS = kills(6)


def stored_in(server: Server) -> Stored:
    """The server's file, consistent in itself."""
    stored = read_stored(server.tables)
    check_log(stored)
    check_membership(stored)
    return stored


async def kill_under_load(server: Server, writers: list[Writer], chance: random.Random) -> float:
    """Let the writers get something through, kill at a random moment after it; returns the seconds until the
    server was ready again."""
    acked = sum(len(writer.acked) for writer in writers)
    goal = acked + chance.choice((1, 20, 100, 300)) + chance.randrange(50)

    async def enough() -> bool:
        return sum(len(writer.acked) for writer in writers) >= goal

    await eventually(enough, 60)
    await asyncio.sleep(chance.random() * 0.02)  # the random moment, anywhere inside a group's life
    server.kill()
    killed = time.monotonic()
    await server.start()
    return time.monotonic() - killed


@pytest.mark.faults
@pytest.mark.only_on("embedded", "all-in-one", "postgres", reason="it reads the log's tables itself")
async def test_x5_killed_under_load(serve: Serve, reg: Register) -> None:
    """8 writers repeat until they are acknowledged, 8 readers resume, the server is killed again and again:
    each acknowledged message is there exactly once, no seq is missing, everybody saw the same order."""
    chance = random.Random(SEED)
    async with serve() as server:
        people = await reg(*(f"p{n}" for n in range(16)), url=server.url)
        g = (await group(people[0], people[1:]))["conversation_id"]
        kinds = itertools.cycle((HttpWriter, SocketWriter))
        writers: list[Writer] = [kind(one, g, chance) for one, kind in zip(people[:8], kinds, strict=False)]
        readers = [Reader(one, g) for one in people[8:]]
        async with asyncio.TaskGroup() as reading:
            for reader in readers:
                reading.create_task(reader.run())
            async with asyncio.TaskGroup() as writing:
                for writer in writers:
                    writing.create_task(writer.run())
                downtimes = [await kill_under_load(server, writers, chance) for _ in range(KILLS)]
                for writer in writers:
                    writer.stop()
            log = await whole_log(people[-1], g)
            for reader in readers:
                reader.finish(len(log))
        stored = stored_in(server)

    promised = check_promises(log, writers, readers)
    for ack in promised.values():
        assert stored.events[g, ack.seq].event_id == log[ack.seq - 1]["event_id"]
    print(
        f"X5: {KILLS} kills, {len(promised)} acknowledged messages, "
        f"{sum(writer.repeats for writer in writers)} repeats, "
        f"{sum(reader.sockets for reader in readers)} sockets of readers, "
        f"ready again after {max(downtimes):.1f} s at most, seed {SEED}"
    )


class Crowd:
    """People who change memberships and send, each action without knowing what the others do just now."""

    def __init__(self, people: list[Person], chance: random.Random) -> None:
        self.people = people
        self.owners: dict[str, Person] = {}  # of each group, as far as anybody knows
        self.done = 0
        self.promised = Counter[tuple[str, str, str]]()  # kind, conversation, user → acknowledged events
        self.messages: set[tuple[str, str]] = set()  # conversation, message id
        self.directs: set[str] = set()
        self._chance = chance

    async def work(self) -> None:
        """Act until the server is gone."""
        async with httpx.AsyncClient(verify=False, timeout=10) as client:
            while True:
                try:
                    await self._act(client)
                except httpx.TransportError:
                    return
                self.done += 1

    async def reach(self, goal: int) -> None:
        """Wait until so many actions were answered."""

        async def reached() -> bool:
            return self.done >= goal

        await eventually(reached, 60)

    async def _act(self, client: httpx.AsyncClient) -> None:
        chance = self._chance
        g = chance.choice(list(self.owners))
        owner, other = self.owners[g], chance.choice(self.people)
        path = f"/v1/conversations/{g}"
        what = chance.choices(
            ("add", "remove", "leave", "role", "transfer", "send", "direct"), (5, 3, 2, 2, 1, 6, 1)
        )[0]
        if what == "add":
            added = await self._call(
                client, owner, "POST", f"{path}/participants", {"user_ids": [other.user_id]}
            )
            for user_id in added["added"] if added else ():
                self.promised["member_added", g, user_id] += 1
        elif what in {"remove", "leave"} and other is not owner:
            actor = owner if what == "remove" else other
            target = f"{path}/participants/{other.user_id}"
            if await self._call(client, actor, "DELETE", target):
                self.promised["member_removed", g, other.user_id] += 1
        elif what == "role" and other is not owner:
            role = {"role": chance.choice(("admin", "member"))}
            await self._call(client, owner, "PATCH", f"{path}/participants/{other.user_id}", role)
        elif what == "transfer":
            if await self._call(client, owner, "POST", f"{path}/transfer", {"user_id": other.user_id}):
                self.owners[g] = other
        elif what == "send":
            message = await self._call(
                client, other, "POST", "/v1/messages", {"conversation_id": g, "content": "x"}
            )
            if message:
                self.messages.add((g, message["message_id"]))
        elif what == "direct" and other is not owner:
            body = {"type": "direct", "participant_ids": [owner.user_id, other.user_id]}
            if direct := await self._call(client, owner, "POST", "/v1/conversations", body):
                self.directs.add(direct["conversation_id"])

    async def _call(
        self, client: httpx.AsyncClient, actor: Person, method: str, path: str, body: Any = None
    ) -> Any:
        """The data of a success, None for a refusal."""
        headers = {"authorization": f"Bearer {actor.access}"}
        response = await client.request(method, actor.url + path, json=body, headers=headers)
        assert response.status_code in {200, 201, 403, 404, 409}, response.text
        return response.json()["data"] if response.status_code < 300 else None

    async def look(self) -> None:
        """Find out whom the groups belong to: an answer may have been lost."""
        for g, owner in self.owners.items():
            owner_id = (await owner.get(f"/v1/conversations/{g}")).ok()["owner_id"]
            self.owners[g] = next(person for person in self.people if person.user_id == owner_id)

    def check(self, stored: Stored) -> None:
        """Every promise is in the file."""
        found = Counter(
            (row.kind, conversation_id, row.fields.get("user_id"))
            for (conversation_id, _), row in stored.events.items()
        )
        for promise, times in self.promised.items():
            assert found[promise] >= times, promise
        assert self.messages <= {(row[0], row[2]) for row in stored.messages}
        assert self.directs <= stored.conversations.keys()


@pytest.mark.faults
@pytest.mark.only_on("embedded", "all-in-one", "postgres", reason="it reads the log's tables itself")
async def test_x6_killed_between_changes(serve: Serve, reg: Register) -> None:
    """SIGKILL among membership changes and sends: after each restart rows and events agree (I1 to I6), and
    what was acknowledged is there."""
    chance = random.Random(SEED)
    async with serve() as server:
        people = await reg(*(f"p{n}" for n in range(10)), url=server.url)
        crowd = Crowd(people, chance)
        for owner in people[:3]:
            conversation = await group(owner, chance.sample(people[3:], 3))
            crowd.owners[conversation["conversation_id"]] = owner
        for _ in range(KILLS):
            workers = [asyncio.create_task(crowd.work()) for _ in range(6)]
            await crowd.reach(crowd.done + chance.randint(10, 70))
            await asyncio.sleep(chance.random() * 0.02)
            server.kill()
            await asyncio.gather(*workers)
            await server.start()
            crowd.check(stored_in(server))
            await crowd.look()
        answers = [await send(owner, g, "alive") for g, owner in crowd.owners.items()]
        assert [answer.status for answer in answers] == [201] * 3
        stored = stored_in(server)
    told = len(stored.messages)
    changes = sum(row.kind != "message_created" for row in stored.events.values())
    print(f"X6: {KILLS} kills, {crowd.done} actions, {changes} changes, {told} messages, seed {SEED}")
