"""kill -9 in the middle of an erasure: it goes on after the restart, and in the end nothing is left.

`SECURECONNECT_FAULT_KILLS` sets how many kills.
"""

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.plan import kills
from tests.scenarios.files import file
from tests.scenarios.patience import eventually
from tests.scenarios.remains import in_files, in_rows
from tests.scenarios.server import Server
from tests.scenarios.steps import Person, direct, register, send, stranger

KILLS = kills(2, 20)
MESSAGES = 300
_AT_A_TIME = 20


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "data", privacy={"erase_delay_days": 0})
    made.launch()
    yield made
    made.clean()


async def erased(reader: Person, conversation_id: str) -> int:
    """How many of the newest messages are erased; pages of 100."""
    count, cursor = 0, ""
    while True:
        page = (await reader.get(f"/v1/messages?conversation_id={conversation_id}&limit=100{cursor}")).ok()
        count += [message["delete_reason"] for message in page["messages"]].count("erased")
        if not page["has_more"]:
            return count
        cursor = f"&cursor={page['next_cursor']}"


async def test_an_erasure_outlives_kills(server: Server) -> None:
    await server.ready()
    a, b = [await register(stranger(server.url, name)) for name in "ab"]
    marker = f"zq{secrets.token_hex(8)}"
    d = (await direct(a, b))["conversation_id"]
    for _ in range(3):
        await file(a, f"{marker} bytes".encode(), file_name=f"{marker}.txt")
    for start in range(0, MESSAGES, _AT_A_TIME):
        sent = (send(a, d, f"{marker} {number}") for number in range(start, start + _AT_A_TIME))
        for answer in await asyncio.gather(*sent):
            answer.ok(201)
    (await a.delete("/v1/users/me")).ok()

    for kill in range(KILLS):
        wanted = 1 + kill * (MESSAGES - 50) // KILLS

        async def begun(wanted: int = wanted) -> bool:
            return await erased(b, d) >= wanted

        await eventually(begun)
        server.kill()
        await server.start()

    async def done() -> bool:
        user = (await b.get(f"/v1/users/{a.user_id}")).ok()["user"]
        return bool(user["display_name"] == "Deleted user")

    await eventually(done, 60)
    assert await erased(b, d) == MESSAGES
    markers = [marker, a.email, a.username]
    assert list(in_rows(server, markers)) == []
    assert await server.stop() == 0
    assert list(in_files(server, markers)) == []
