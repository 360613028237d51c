"""kill -9 between an answer and its mail: whatever was answered is mailed after the restart, and once.

A real server, a real SMTP server. `SECURECONNECT_FAULT_KILLS` sets how many kills, `SECURECONNECT_FAULT_SEED`
the random moments.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.plan import SEED, kills
from tests.mailbox import MailServer, token_of
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server
from tests.scenarios.steps import Person, register, request, stranger

KILLS = kills(3, 100)
PEOPLE = 6


@pytest.fixture
def office(tmp_path: Path) -> Iterator[MailServer]:
    made = MailServer(tmp_path / "taken")
    made.start()
    yield made
    made.kill()


@pytest.fixture
def server(tmp_path: Path, office: MailServer) -> Iterator[Server]:
    mail = {"backend": "smtp", "host": "127.0.0.1", "port": office.port, "tls": "none"}
    made = Server(tmp_path / "data", mail=mail, auth={"reset_ttl": 3600})
    made.launch()
    yield made
    made.clean()


async def ask(client: httpx.AsyncClient, person: Person, answered: Counter[str]) -> None:
    """One request; counted when its answer came before the kill."""
    try:
        answer = await client.post("/v1/auth/password-reset/request", json={"email": person.email})
    except httpx.TransportError:
        return
    assert answer.status_code == 200
    answered[person.email] += 1


def mailed(office: MailServer, person: Person) -> Counter[str]:
    """Message-ID → how often it was taken."""
    return Counter(str(mail["Message-ID"]) for mail in office.mails(person.email))


@pytest.mark.faults
async def test_kill_9_loses_no_mail_and_doubles_none(server: Server, office: MailServer) -> None:
    chance = random.Random(SEED)
    await server.ready()
    people = [await register(stranger(server.url, f"p{number}")) for number in range(PEOPLE)]
    answered: Counter[str] = Counter()
    for _ in range(KILLS):
        async with httpx.AsyncClient(base_url=server.url, verify=False) as client:
            if chance.random() < 0.3:
                office.kill()  # nothing can have gone out before the kill
            asking = [asyncio.create_task(ask(client, person, answered)) for person in people]
            await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait(asking, timeout=chance.random() * 0.02)
            await asyncio.sleep(chance.random() * 0.02)  # the random moment, anywhere on a mail's way
            server.kill()
            await asyncio.gather(*asking)
        if not office.running:
            office.start()
        server.launch()
        await server.ready()

        async def arrived() -> bool:
            return all(len(mailed(office, person)) >= answered[person.email] for person in people)

        await eventually(arrived, seconds=60)
    assert await server.stop() == 0
    assert server.tables.rows("SELECT * FROM outbox") == []

    repeats = 0
    for person in people:
        found = mailed(office, person)
        # A request whose answer was lost may have counted; none counts twice.
        assert answered[person.email] <= len(found) <= KILLS
        repeats += found.total() - len(found)
    print(
        f"{KILLS} kills, {answered.total()} answered requests, all mailed;"
        f" {repeats} taken again under the same Message-ID, seed {SEED}"
    )
    assert answered.total() >= KILLS

    server.launch()
    await server.ready()
    statuses = Counter[int]()
    for mail in office.mails(people[0].email):  # of all tokens the newest works, whatever order they came in
        body = {"token": token_of(mail), "new_password": "New-Violet-77-Lamp"}
        answer = await request(server.url, "POST", "/v1/auth/password-reset/confirm", body)
        statuses[answer.status] += 1
    assert statuses[200] == 1
    assert statuses.keys() <= {200, 401}
