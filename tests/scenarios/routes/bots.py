"""Bots, webhooks and reports."""

from typing import Any

from tests.scenarios.bots import make_bot, make_webhook, post
from tests.scenarios.routes.world import Case, World, message
from tests.scenarios.steps import ISSUED, Answer, Person

__all__ = ["CASES", "ids"]


async def ids(a: Person, b: Person, g: str) -> dict[str, str]:
    """What strangers try."""
    made = await make_webhook(a, g)
    body = {"target_type": "conversation", "target_id": g, "reason": "not nice"}
    report_id = (await b.post("/v1/reports", body)).ok(201)["report_id"]
    bot_id = (await make_bot(a, "messages:read")).user_id
    return {
        "webhook_id": made["webhook_id"],
        "secret": "x" * 43,
        "report_id": report_id,
        "bot_id": bot_id,
    }


async def bot(w: World) -> str:
    return f"/v1/bots/{(await make_bot(w.a, 'messages:read')).user_id}"


async def make(w: World) -> Answer:
    earlier = await make_bot(w.a, "messages:read")
    body = {"username": f"z{earlier.username}", "display_name": "Z", "scopes": ["users:read"]}
    answer = await w.a.post("/v1/bots", body)
    ISSUED.add(answer.data["token"])
    return answer


async def rotate(w: World) -> Answer:
    answer = await w.a.post(f"{await bot(w)}/token")
    ISSUED.add(answer.data["token"])
    return answer


async def webhook(w: World) -> str:
    made = await make_webhook(w.a, w.g)
    return f"/v1/conversations/{w.g}/webhooks/{made['webhook_id']}"


async def report(w: World) -> Any:
    body = {
        "target_type": "message",
        "target_id": await message(w),
        "reason": "not nice",
        "include_content": True,
    }
    return await w.b.post("/v1/reports", body)


async def resolve(w: World) -> Answer:
    report_id = (await report(w)).ok(201)["report_id"]
    body = {"action": "delete_message", "note": "against the rules"}
    return await w.admin.post(f"/v1/admin/reports/{report_id}/resolve", body)


async def listed_bots(w: World) -> Answer:
    await bot(w)
    return await w.a.get("/v1/bots?limit=1")


async def listed_webhooks(w: World) -> Answer:
    await webhook(w)
    return await w.a.get(f"/v1/conversations/{w.g}/webhooks?limit=1")


async def listed_reports(w: World) -> Answer:
    await report(w)
    return await w.admin.get("/v1/admin/reports?status=all&limit=1")


async def posted(w: World) -> Answer:
    made = await make_webhook(w.a, w.g)
    return await post(w.a.url, made["path"], "hello", username="Z", metadata={"n": 1.5})


async def read_bot(w: World) -> Answer:
    return await w.a.get(await bot(w))


async def change_bot(w: World) -> Answer:
    return await w.a.patch(await bot(w), {"display_name": "Z", "scopes": ["users:read"]})


async def delete_bot(w: World) -> Answer:
    return await w.a.delete(await bot(w))


async def make_hook(w: World) -> Answer:
    return await w.a.post(f"/v1/conversations/{w.g}/webhooks", {"name": "Z"})


async def rotate_hook(w: World) -> Answer:
    return await w.a.post(f"{await webhook(w)}/rotate")


async def delete_hook(w: World) -> Answer:
    return await w.a.delete(await webhook(w))


CASES: dict[str, Case] = {
    "POST /v1/bots": make,
    "GET /v1/bots": listed_bots,
    "GET /v1/bots/{user_id}": read_bot,
    "PATCH /v1/bots/{user_id}": change_bot,
    "DELETE /v1/bots/{user_id}": delete_bot,
    "POST /v1/bots/{user_id}/token": rotate,
    "POST /v1/conversations/{id}/webhooks": make_hook,
    "GET /v1/conversations/{id}/webhooks": listed_webhooks,
    "POST /v1/conversations/{id}/webhooks/{webhook_id}/rotate": rotate_hook,
    "DELETE /v1/conversations/{id}/webhooks/{webhook_id}": delete_hook,
    "POST /v1/hooks/{webhook_id}/{secret}": posted,
    "POST /v1/reports": report,
    "GET /v1/admin/reports": listed_reports,
    "POST /v1/admin/reports/{id}/resolve": resolve,
}
