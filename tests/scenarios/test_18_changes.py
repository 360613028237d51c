"""Faults among changes of messages: scenario X6 for edits, deletions, reactions, votes, pins, attachments."""

import asyncio
import contextlib
import random
from collections import Counter
from typing import Any

import httpx
import msgspec
import pytest

from secureconnect.client import Event, LocalState
from tests.faults.plan import SEED, kills
from tests.faults.stored import check_log, check_membership, read_stored
from tests.faults.stored_changes import Changed
from tests.scenarios import files
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.crash import Reader
from tests.scenarios.patience import eventually
from tests.scenarios.steps import Person, group, whole_log
from tests.scenarios.test_apply_equals_refetch import fetched

KILLS = kills(2)
_EMOJI = ("👍", "🎉", "❤️")
_MOST = 90  # messages: a client that knows nothing reads them as one page
_SHARES = {"send": 4, "edit": 6, "delete": 1, "react": 6, "unreact": 3, "vote": 5, "pin": 2, "unpin": 1}


class Changers:
    """Members who change what they find, each without knowing what the others do just now."""

    def __init__(self, people: list[Person], g: str, chance: random.Random) -> None:
        self.people, self.g = people, g
        self.files: dict[str, list[str]] = {}  # by owner
        self.polls: list[Any] = []
        self.messages: dict[str, Person] = {}
        self.gone: set[str] = set()  # acknowledged deletions, and those whose answer was lost
        self.said: dict[str, list[str]] = {}  # acknowledged contents
        self.promised: Counter[tuple[str, str, str]] = Counter()  # kind, message, user
        self.done = 0
        self._number = 0
        self._chance = chance

    async def work(self) -> None:
        """Act until the server is gone."""
        async with httpx.AsyncClient(verify=False, timeout=10) as client:
            with contextlib.suppress(httpx.TransportError):
                while True:
                    await self._act(client)
                    self.done += 1

    async def reach(self, goal: int) -> None:
        """Wait until so many actions were answered."""

        async def reached() -> bool:
            return self.done >= goal

        await eventually(reached, 60)

    async def _act(self, client: httpx.AsyncClient) -> None:
        chance, who = self._chance, self._chance.choice(self.people)
        (what,) = chance.choices(tuple(_SHARES), tuple(_SHARES.values()))
        emoji = chance.choice(_EMOJI)
        if what == "send" or not self.messages:
            await self._send(client, who)
            return
        if what == "vote":
            poll = chance.choice(self.polls)
            count = 1 if poll["poll_type"] == "single" else chance.randint(1, 3)
            chosen = [option["option_id"] for option in chance.sample(poll["options"], count)]
            body = {"poll_id": poll["poll_id"], "option_ids": chosen}
            await self._call(client, who, "POST", "/v1/polls/vote", body)
            return
        m = chance.choice(list(self.messages))
        author, path = self.messages[m], f"/v1/messages/{m}"
        if what == "edit":
            content = self._words()
            if await self._call(client, author, "PATCH", path, {"content": content}):
                self.said[m].append(content)
                self.promised["message_edited", m, author.user_id] += 1
        elif what == "delete":
            self.gone.add(m)
            del self.messages[m]
            if await self._call(client, author, "DELETE", path):
                self.promised["message_deleted", m, author.user_id] += 1
        elif what == "react":
            if await self._call(client, who, "POST", f"{path}/react", {"emoji": emoji}) == 201:
                self.promised["reaction_added", m, who.user_id] += 1
        elif what == "unreact":
            if await self._call(client, who, "DELETE", f"{path}/react", {"emoji": emoji}):
                self.promised["reaction_removed", m, who.user_id] += 1
        elif what == "pin":
            pins = f"/v1/conversations/{self.g}/pins"
            if await self._call(client, who, "POST", pins, {"message_id": m}) == 201:
                self.promised["message_pinned", m, who.user_id] += 1
        elif await self._call(client, who, "DELETE", f"/v1/conversations/{self.g}/pins/{m}"):
            self.promised["message_unpinned", m, who.user_id] += 1

    async def _send(self, client: httpx.AsyncClient, who: Person) -> None:
        if len(self.messages) + len(self.gone) >= _MOST:
            return
        body: dict[str, Any] = {"conversation_id": self.g, "content": self._words()}
        if self._chance.random() < 0.5:
            body["attachments"] = self._chance.sample(self.files[who.user_id], self._chance.randint(1, 2))
        if self.messages and self._chance.random() < 0.3:
            body["reply_to_message_id"] = self._chance.choice(list(self.messages))
        headers = {"authorization": f"Bearer {who.access}"}
        response = await client.post(f"{who.url}/v1/messages", json=body, headers=headers)
        assert response.status_code in {201, 404}, response.text
        if response.status_code == 201:
            m = response.json()["data"]["message_id"]
            self.messages[m], self.said[m] = who, [body["content"]]
            self.promised["message_created", m, who.user_id] += 1

    def _words(self) -> str:
        self._number += 1
        return f"words {self._number}"

    async def _call(
        self, client: httpx.AsyncClient, actor: Person, method: str, path: str, body: Any = None
    ) -> int:
        """The status of a success, 0 for a refusal."""
        headers = {"authorization": f"Bearer {actor.access}"}
        response = await client.request(method, actor.url + path, json=body, headers=headers)
        assert response.status_code in {200, 201, 403, 404, 409}, response.text
        return response.status_code if response.status_code < 300 else 0

    def check(self, stored: Changed) -> None:
        """Every promise is in the file; nothing that was said is lost or there twice."""
        found = Counter((kind, m, actor) for kind, m, actor, data in map(_about, stored.events))
        for promise, times in self.promised.items():
            assert found[promise] >= times, promise
            if promise[0] in {"message_created", "message_deleted"}:
                assert found[promise] == 1
        for m, contents in self.said.items():
            if stored.messages[m]["deleted_at"] is None:
                said = stored.said(m)
                assert len(set(said)) == len(said)
                assert set(contents) <= set(said)


def _about(event: tuple[str, str, str, dict[str, Any]]) -> tuple[str, str, str, dict[str, Any]]:
    kind, target, actor, data = event
    return kind, data.get("message_id", target), actor, data


@pytest.mark.faults
@pytest.mark.only_on("embedded", "all-in-one", "postgres", reason="it reads the log's tables itself")
async def test_x6_killed_between_changes_of_messages(serve: Serve, reg: Register) -> None:
    """SIGKILL among edits, deletions, reactions, votes, pins and attachments: counts add up, events lead to
    the rows, what was acknowledged is there once, and clients that applied events hold what a fetch gives."""
    chance = random.Random(SEED)
    async with serve() as server:
        people = await reg(*(f"p{n}" for n in range(4)), url=server.url)
        g = (await group(people[0], people[1:]))["conversation_id"]
        crowd = Changers(people, g, chance)
        for person in people:
            crowd.files[person.user_id] = [await files.file(person, n + 1) for n in range(2)]
        for kind in ("single", "multi"):
            body = {"conversation_id": g, "question": kind, "poll_type": kind, "options": ["a", "b", "c"]}
            answer = await people[0].post("/v1/polls", {**body, "allow_vote_change": True})
            crowd.polls.append(answer.ok(201))
        reader = Reader(people[1], g)
        async with asyncio.TaskGroup() as reading:
            reading.create_task(reader.run())
            for _ in range(KILLS):
                workers = [asyncio.create_task(crowd.work()) for _ in range(6)]
                await crowd.reach(crowd.done + chance.randint(15, 50))
                await asyncio.sleep(chance.random() * 0.02)  # the random moment
                server.kill()
                await asyncio.gather(*workers)
                await server.start()
                stored = read_stored(server.tables)
                check_log(stored)
                check_membership(stored)
                changed = Changed(server.tables)
                changed.check()
                crowd.check(changed)
            log = await whole_log(people[-1], g)
            reader.finish(len(log))
        state = LocalState()
        for event in reader.log:
            state.apply(msgspec.convert(event, Event))
        assert state.conversations[g] == await fetched(people[1], g)
        usage = [(await files.quota(person))["used"] for person in people]
    assert usage == [3] * len(people)
    counted = Counter(kind for kind, *_ in changed.events)
    print(f"X6: {KILLS} kills, {crowd.done} actions, {dict(counted)}, seed {SEED}")
