"""Threads, forwards, receipts, scheduled messages, drafts."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.scenarios.routes.world import Case, World, message, new_group
from tests.scenarios.steps import Answer, Person, send

__all__ = ["CASES", "ids"]


def soon() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


async def waiting(a: Person, g: str) -> Any:
    body = {"conversation_id": g, "content": "hello", "send_at": soon(), "metadata": {"n": 1}}
    return (await a.post("/v1/messages/scheduled", body)).ok(201)


async def ids(a: Person, b: Person, g: str) -> dict[str, str]:
    """What strangers try."""
    return {"scheduled_id": (await waiting(a, g))["scheduled_id"]}


async def thread(w: World) -> Answer:
    root = await message(w)
    (await send(w.b, w.g, "hello", thread_root_id=root, reply_to_message_id=root)).ok(201)
    return await w.a.get(f"/v1/messages/{root}/thread?limit=5")


async def follow(w: World) -> Answer:
    return await w.b.put(f"/v1/messages/{await message(w)}/thread", {"following": True, "last_read_seq": 1})


async def forward(w: World) -> Answer:
    body = {"message_id": await message(w), "conversation_id": await new_group(w)}
    return await w.a.post("/v1/messages/forward", body)


async def receipts(w: World) -> Answer:
    return await w.a.get(f"/v1/messages/{await message(w)}/receipts")


async def schedule(w: World) -> Answer:
    body = {"conversation_id": w.g, "content": "hello", "send_at": soon(), "mentions": [w.b.user_id]}
    return await w.a.post("/v1/messages/scheduled", body)


async def reschedule(w: World) -> Answer:
    path = f"/v1/messages/scheduled/{(await waiting(w.a, w.g))['scheduled_id']}"
    return await w.a.patch(path, {"content": "new", "send_at": soon()})


async def cancel(w: World) -> Answer:
    return await w.a.delete(f"/v1/messages/scheduled/{(await waiting(w.a, w.g))['scheduled_id']}")


async def draft(w: World) -> Answer:
    body = {"content": "half", "reply_to_message_id": await message(w)}
    return await w.b.put(f"/v1/conversations/{w.g}/draft", body)


async def read_draft(w: World) -> Answer:
    await draft(w)
    return await w.b.get(f"/v1/conversations/{w.g}/draft")


CASES: dict[str, Case] = {
    "GET /v1/messages/{id}/thread": thread,
    "PUT /v1/messages/{id}/thread": follow,
    "POST /v1/messages/forward": forward,
    "GET /v1/messages/{id}/receipts": receipts,
    "POST /v1/messages/scheduled": schedule,
    "GET /v1/messages/scheduled": lambda w: w.a.get(f"/v1/messages/scheduled?conversation_id={w.g}&limit=5"),
    "PATCH /v1/messages/scheduled/{scheduled_id}": reschedule,
    "DELETE /v1/messages/scheduled/{scheduled_id}": cancel,
    "PUT /v1/conversations/{id}/draft": draft,
    "GET /v1/conversations/{id}/draft": read_draft,
    "DELETE /v1/conversations/{id}/draft": lambda w: w.b.delete(f"/v1/conversations/{w.g}/draft"),
}
