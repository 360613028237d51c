"""Polls."""

from typing import Any

from tests.scenarios.routes.world import Case, World
from tests.scenarios.steps import Answer, Person

__all__ = ["CASES", "ids"]


async def poll(w: World) -> Any:
    return await ask(w.a, w.g)


async def ask(a: Person, g: str) -> Any:
    body = {"conversation_id": g, "question": "hello?", "poll_type": "multi", "options": ["Yes", "No"]}
    return (await a.post("/v1/polls", {**body, "allow_vote_change": True})).ok(201)


async def ids(a: Person, b: Person, g: str) -> dict[str, str]:
    """What strangers try."""
    asked = await ask(a, g)
    option_id = asked["options"][0]["option_id"]
    return {"poll_id": asked["poll_id"], "option_id": option_id, "option_ids": option_id}


async def vote(w: World) -> Answer:
    asked = await poll(w)
    chosen = [option["option_id"] for option in asked["options"]]
    return await w.b.post("/v1/polls/vote", {"poll_id": asked["poll_id"], "option_ids": chosen})


async def withdraw(w: World) -> Answer:
    return await w.b.delete(f"/v1/polls/{(await vote(w)).ok()['poll_id']}/vote")


async def voters(w: World) -> Answer:
    voted = (await vote(w)).ok()
    option_id = voted["options"][0]["option_id"]
    return await w.b.get(f"/v1/polls/{voted['poll_id']}/voters?option_id={option_id}&limit=5")


async def one(w: World) -> Answer:
    return await w.b.get(f"/v1/polls/{(await poll(w))['poll_id']}")


async def close(w: World) -> Answer:
    return await w.a.post("/v1/polls/close", {"poll_id": (await poll(w))["poll_id"]})


async def delete(w: World) -> Answer:
    return await w.a.delete(f"/v1/polls/{(await poll(w))['poll_id']}")


async def create(w: World) -> Answer:
    body = {"conversation_id": w.g, "question": "Where?", "poll_type": "single", "options": ["N", "S"]}
    return await w.b.post("/v1/polls", body)


CASES: dict[str, Case] = {
    "POST /v1/polls": create,
    "GET /v1/polls": lambda w: w.b.get(f"/v1/polls?conversation_id={w.g}&limit=5"),
    "GET /v1/polls/active": lambda w: w.b.get(f"/v1/polls/active?conversation_id={w.g}"),
    "GET /v1/polls/{id}": one,
    "DELETE /v1/polls/{id}": delete,
    "POST /v1/polls/vote": vote,
    "DELETE /v1/polls/{id}/vote": withdraw,
    "GET /v1/polls/{id}/voters": voters,
    "POST /v1/polls/close": close,
}
