"""Every example of docs/how-to/bots.md does what the page says."""

import asyncio
import re
import secrets
from pathlib import Path
from typing import Any

import pytest

from secureconnect.client import Client
from tests.scenarios.conftest import Register
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server
from tests.scenarios.steps import ISSUED, PASSWORD, group, send

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "bots.md"


@pytest.fixture
def page() -> dict[str, Any]:
    """The names that the page's code defines, read from top to bottom."""
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    return names


def test_the_echo_bot_has_ten_lines() -> None:
    (block,) = (
        block
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        if "def echo" in block
    )
    assert len(block.splitlines()) <= 10


async def test_the_echo_bot_answers_once(page: dict[str, Any], server: Server, reg: Register) -> None:
    """It answers others, not itself, in the group it was made for and in one that comes later."""
    ann, bob = await reg("a", "b")
    name = f"echo-{secrets.token_hex(4)}_bot"
    token = await page["make"](server.url, ann.username, PASSWORD, name, bob.username)
    ISSUED.add(token)
    robot = asyncio.create_task(page["echo"](server.url, token))
    try:
        (row,) = (await ann.get("/v1/bots")).ok()["bots"]
        (first,) = (await bob.get("/v1/conversations")).ok()["conversations"]
        ann_friends = (await group(ann, [bob]))["conversation_id"]

        async def online() -> bool:
            return bool((await ann.get(f"/v1/users/{row['user_id']}")).ok()["user"]["status"] == "online")

        async def echoed(conversation_id: str, *wanted: str) -> None:
            async def said() -> bool:
                path = f"/v1/messages?conversation_id={conversation_id}"
                rows = (await ann.get(path)).ok()["messages"]
                return [message["content"] for message in rows][::-1] == list(wanted)

            await eventually(said)

        await eventually(online)
        await send(bob, first["conversation_id"], "one")
        await echoed(first["conversation_id"], "one", "one")
        path = f"/v1/conversations/{ann_friends}/participants"
        (await ann.post(path, {"user_ids": [row["user_id"]]})).ok()
        await send(ann, ann_friends, "two")
        await echoed(ann_friends, "two", "two")
        await send(bob, first["conversation_id"], "three")
        await echoed(first["conversation_id"], "one", "one", "three", "three")
    finally:
        robot.cancel()
        await asyncio.wait([robot])


async def test_the_webhook_posts(page: dict[str, Any], server: Server, reg: Register) -> None:
    ann, bob = await reg("a", "b")
    g = (await group(ann, [bob]))["conversation_id"]
    url = await page["announce"](server.url, ann.username, PASSWORD, g)
    ISSUED.add(url.rpartition("/")[2])
    async with Client(server.url) as client:
        posted = await client.webhooks.post(
            server.url + url[url.index("/v1/") :], "Build 7 is green", username="CI", metadata={"n": 7}
        )
    message = (await bob.get(f"/v1/messages/{posted.message_id}")).ok()
    assert (message["content"], message["sender_name"], message["metadata"]) == (
        "Build 7 is green",
        "CI",
        {"n": "7"},
    )
