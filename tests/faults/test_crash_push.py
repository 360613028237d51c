"""kill -9 between an accepted message and its push: it goes out after the restart, and once (N9).

A real server with its file of pushes and a real Web Push service. `SECURECONNECT_FAULT_KILLS` sets how many
kills, `SECURECONNECT_FAULT_SEED` the random moments.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.faults.plan import SEED, kills
from tests.push_service import Browser, PushService
from tests.scenarios.patience import eventually
from tests.scenarios.pushes import lines, register_device
from tests.scenarios.server import Server
from tests.scenarios.steps import Person, direct, register, stranger

KILLS = kills(5, 100)
PEOPLE = 5


class Reader(NamedTuple):
    """Somebody with two devices, and the conversation with the writer."""

    person: Person
    browser: Browser
    path: str
    conversation_id: str


@pytest.fixture
def service() -> Iterator[PushService]:
    made = PushService()
    yield made
    made.close()
    assert made.faults == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "data", push={"allow_private_endpoints": True})
    made.launch()
    yield made
    made.clean()


async def reader(server: Server, service: PushService, writer: Person, number: int) -> Reader:
    person, browser = await register(stranger(server.url, f"p{number}")), Browser()
    await register_device(person)
    path = f"/s/{number}"
    body = {"token": f"{service.url}{path}", "type": "webpush", "keys": browser.keys}
    (await person.post("/v1/push/tokens", body)).ok()
    return Reader(person, browser, path, (await direct(writer, person))["conversation_id"])


async def write(client: httpx.AsyncClient, writer: Person, to: Reader) -> str | None:
    """One message; its id when it was accepted before the kill."""
    body = {"conversation_id": to.conversation_id, "content": "hello", "message_type": "text"}
    headers = {"authorization": f"Bearer {writer.access}"}
    try:
        answer = await client.post("/v1/messages", json=body, headers=headers)
    except httpx.TransportError:
        return None
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["message_id"])


def in_file(server: Server, to: Reader) -> Counter[str]:
    """Message → how many lines tell of it."""
    return Counter(
        line["data"]["message_id"] for line in lines(server, to.person) if line["kind"] == "message"
    )


def by_service(service: PushService, to: Reader) -> dict[str, Counter[str]]:
    """Message → delivery → how often it was taken."""
    found: dict[str, Counter[str]] = {}
    for taken in service.taken(to.path):
        shown = to.browser.open(taken.body)
        if shown["kind"] == "message":
            found.setdefault(shown["data"]["message_id"], Counter())[shown["delivery_id"]] += 1
    return found


@pytest.mark.faults
async def test_n9_kill_9_loses_no_push_and_doubles_none(server: Server, service: PushService) -> None:
    chance = random.Random(SEED)
    await server.ready()
    writer = await register(stranger(server.url, "w"))
    readers = [await reader(server, service, writer, number) for number in range(PEOPLE)]
    accepted: dict[int, set[str]] = {number: set() for number in range(PEOPLE)}
    for _ in range(KILLS):
        async with httpx.AsyncClient(base_url=server.url, verify=False) as client:
            sending = [asyncio.create_task(write(client, writer, to)) for to in readers]
            await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(chance.random() * 0.5)  # the random moment, anywhere on a push's way
            server.kill()
            for number, message_id in enumerate(await asyncio.gather(*sending)):
                if message_id is not None:
                    accepted[number].add(message_id)
        server.launch()
        await server.ready()

        async def arrived() -> bool:
            return all(
                accepted[number] <= in_file(server, to).keys() & by_service(service, to).keys()
                for number, to in enumerate(readers)
            )

        await eventually(arrived, seconds=60)

    async def nothing_waits() -> bool:
        return server.tables.rows("SELECT count(*) FROM outbox") == [(0,)]

    await eventually(nothing_waits)
    assert await server.stop() == 0
    total = repeats = 0
    for number, to in enumerate(readers):
        assert set(in_file(server, to).values()) == {1}, "a line in the file is written once"
        for message_id, taken in by_service(service, to).items():
            assert len(taken) == 1, ("one identity for each push", message_id)
            repeats += taken.total() - 1
        total += len(accepted[number])
    print(
        f"{KILLS} kills, {total} accepted messages, all pushed; the service took {repeats} again under"
        f" their delivery_id, seed {SEED}"
    )
    assert total >= KILLS
