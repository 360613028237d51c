"""Every example of docs/how-to/python-sdk.md does what the page says."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from secureconnect.client import Client
from tests.scenarios.conftest import Register
from tests.scenarios.factors import protect
from tests.scenarios.files import picture
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server
from tests.scenarios.steps import PASSWORD, Person, group, send

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "python-sdk.md"


@pytest.fixture
def page() -> dict[str, Any]:
    """The names that the page's code defines, read from top to bottom."""
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    return names


async def messages(person: Person, conversation_id: str) -> list[str]:
    rows = (await person.get(f"/v1/messages?conversation_id={conversation_id}")).ok()["messages"]
    return [row["content"] for row in rows][::-1]


async def online(person: Person) -> None:
    """Wait until the person has a socket."""

    async def there() -> bool:
        return bool((await person.get("/v1/users/me")).ok()["status"] == "online")

    await eventually(there)


async def test_greet_and_echo(page: dict[str, Any], server: Server, reg: Register) -> None:
    ann, bob = await reg("a", "b")
    robot = asyncio.create_task(page["echo"](server.url, bob.username, PASSWORD))
    try:
        await online(bob)
        await page["greet"](server.url, ann.username, PASSWORD, bob.username)
        direct = (await ann.get("/v1/conversations")).ok()["conversations"][0]["conversation_id"]

        async def echoed() -> bool:
            return await messages(ann, direct) == ["Hello!", "Hello!"]

        await eventually(echoed)
    finally:
        robot.cancel()
        await asyncio.wait([robot])


async def test_collect_goes_on(page: dict[str, Any], server: Server, reg: Register, tmp_path: Path) -> None:
    ann, bob = await reg("a", "b")
    g = (await group(ann, [bob]))["conversation_id"]
    async with page["remembered"](server.url, tmp_path / "tokens") as client:
        assert client.tokens is None
        await client.auth.login(username=bob.username, password=PASSWORD)
        file = tmp_path / "cursors"
        first = asyncio.create_task(page["collect"](client, file, 1))
        await online(bob)
        await send(ann, g, "one")
        async with asyncio.timeout(20):
            assert await first == ["one"]
        await send(ann, g, "two")
    async with page["remembered"](server.url, tmp_path / "tokens") as client, asyncio.timeout(20):
        assert await page["collect"](client, file, 1) == ["two"]


async def test_a_second_factor(page: dict[str, Any], server: Server, reg: Register) -> None:
    (ann,) = await reg("a")
    app, _ = await protect(ann)
    asked = iter([app.wrong, await app.code()])
    async with Client(server.url) as client:
        assert await page["enter"](client, ann.username, PASSWORD, lambda: next(asked)) == "User a"
        assert client.tokens is not None


async def test_files(page: dict[str, Any], server: Server, reg: Register, tmp_path: Path) -> None:
    ann, bob = await reg("a", "b")
    g = (await group(ann, [bob]))["conversation_id"]
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture())
    async with Client(server.url) as one, Client(server.url) as other:
        await one.auth.login(username=ann.username, password=PASSWORD)
        await other.auth.login(username=bob.username, password=PASSWORD)
        await page["share"](one, g, photo)
        assert await page["save"](other, g, tmp_path) == ["photo.png"]
        (sent,) = (await other.files.of_conversation(g)).items
        assert (tmp_path / sent.file.file_id).read_bytes() == photo.read_bytes()


async def test_members_and_careful(page: dict[str, Any], server: Server, reg: Register) -> None:
    ann, bob, cat = await reg("a", "b", "c")
    g = await group(ann, [bob])
    async with Client(server.url) as client:
        await client.auth.login(username=ann.username, password=PASSWORD)
        following = asyncio.create_task(page["members"](client, g["conversation_id"], g["last_seq"] + 1))
        await online(ann)
        await client.conversations.add(g["conversation_id"], [cat.user_id])
        async with asyncio.timeout(20):
            roles = await following
        assert roles == {ann.user_id: "admin", bob.user_id: "member", cat.user_id: "member"}
        nil = "00000000-0000-4000-8000-000000000000"
        assert (await page["careful"](client, "G", [nil])).startswith("refused: NOT_FOUND, request ")
        assert len(await page["careful"](client, "G", [bob.user_id])) == 36


async def test_search(page: dict[str, Any], server: Server, reg: Register) -> None:
    ann, bob = await reg("a", "b")
    g = (await group(ann, [bob]))["conversation_id"]
    for text in ("The Café menu: https://example.test/menu", "the café is closed", "https://example.test"):
        (await send(ann, g, text)).ok(201)
    async with Client(server.url) as client:
        await client.auth.login(username=bob.username, password=PASSWORD)

        async def found() -> bool:  # the index of a server follows within a moment
            links = await page["links_about"](client, "cafe men")
            return bool(links == ["The Café menu: https://example.test/menu"])

        await eventually(found)
