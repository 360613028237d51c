"""The shorthand of the scenarios about conversations."""

from typing import Any

from tests.scenarios.steps import Answer, Person, events, send

__all__ = ["add", "listed", "log", "participants", "path", "say"]


def path(conversation: Any, rest: str = "") -> str:
    return f"/v1/conversations/{conversation['conversation_id']}{rest}"


async def listed(a: Person, query: str = "") -> list[Any]:
    """The ids of everything in A's list, in its order."""
    data = (await a.get(f"/v1/conversations?limit=100{query}")).ok()
    assert data["has_more"] is False
    return [one["conversation_id"] for one in data["conversations"]]


async def participants(a: Person, conversation: Any) -> dict[str, Any]:
    data = (await a.get(path(conversation, "/participants"))).ok()
    return {one["user_id"]: one for one in data["participants"]}


async def log(a: Person, conversation: Any, after: int = 0) -> list[Any]:
    return await events(a, conversation["conversation_id"], after)


async def say(a: Person, conversation: Any, text: str) -> int:
    """A message that must get through; its seq."""
    return int((await send(a, conversation["conversation_id"], text)).ok(201)["seq"])


async def add(a: Person, conversation: Any, *users: str) -> Answer:
    return await a.post(path(conversation, "/participants"), {"user_ids": list(users)})
