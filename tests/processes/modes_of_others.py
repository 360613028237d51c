"""What mail, pushes and calls depend on is away, and what people see of it."""

import asyncio

from tests.processes.world import World, unavailable
from tests.push_service import Browser
from tests.scenarios.patience import eventually
from tests.scenarios.signaling import initiate, leave
from tests.scenarios.steps import request, send

__all__ = [
    "ask_for_mail",
    "mail_dies",
    "mail_is_cut",
    "mail_returns",
    "mails_came",
    "push_is_cut",
    "push_returns",
    "pushes_came",
    "sfu_is_cut",
    "sfu_returns",
    "turn_dies",
    "turn_returns",
    "waiting",
    "with_mail",
    "with_push",
    "with_sfu",
    "without_mail",
    "without_push",
    "without_sfu",
    "without_turn",
]

OLD = 400_000  # milliseconds: older than OutboxStuck allows


async def mail_dies(world: World) -> None:
    await asyncio.to_thread(world.around.office.kill)
    await ask_for_mail(world)


async def mail_is_cut(world: World) -> None:
    await world.around.lines["mail"].cut()
    await ask_for_mail(world)


async def ask_for_mail(world: World) -> None:
    body = {"email": world.ann.email}
    (await request(world.pair.one.url, "POST", "/v1/auth/password-reset/request", body)).ok()


async def mail_returns(world: World) -> None:
    if not world.around.office.running:
        await asyncio.to_thread(world.around.office.start)
    await world.around.work("mail")


async def waiting(world: World, kind: str) -> bool:
    """A job waits; it is made as old as one would be that has waited for minutes."""
    if not await world.sum("outbox_pending", kind=kind):
        return False
    name = world.pair.stores.database.rpartition("/")[2]
    older = (
        f"UPDATE outbox SET created_at = created_at - {OLD} WHERE kind = '{kind}' AND last_error IS NOT NULL"
    )
    await asyncio.to_thread(world.around.postgres.execute, older, name)
    return await world.sum("outbox_oldest_age_seconds", kind=kind) > OLD / 1000


async def without_mail(world: World) -> None:
    await world.talk("everything else goes on")
    await ask_for_mail(world)
    await eventually(lambda: world.down("mail"))


async def with_mail(world: World) -> None:
    assert len(world.around.office.mails(world.ann.email)) == 2
    await eventually(lambda: world.up("mail"))


async def mails_came(world: World) -> bool:
    return len(await asyncio.to_thread(world.around.office.mails, world.ann.email)) >= 2


async def push_is_cut(world: World) -> None:
    browser = world.notes["browser"] = Browser()
    token = f"http://127.0.0.1:{world.around.lines['push'].port}/s/{world.ben.user_id}"
    device = {"token": token, "type": "webpush", "keys": browser.keys}
    (await world.ben.post("/v1/push/tokens", device)).ok()
    await world.around.lines["push"].cut()
    (await send(world.ann, world.chat, "who hears me?")).ok(201)


async def push_returns(world: World) -> None:
    await world.around.work("push")


async def without_push(world: World) -> None:
    await world.talk("everything else goes on")
    (delivery, *_) = (await world.ben.get("/v1/push/deliveries")).ok()["deliveries"]
    assert delivery["status"] == "queued"


async def pushes_came(world: World) -> bool:
    """A push that waits is given the news of what came after it."""
    taken = world.around.service.taken(f"/s/{world.ben.user_id}")
    shown = [world.notes["browser"].open(one.body) for one in taken]
    return any(one["data"].get("conversation_id") == world.chat for one in shown)


async def with_push(world: World) -> None:
    async def all_sent() -> bool:
        deliveries = (await world.ben.get("/v1/push/deliveries")).ok()["deliveries"]
        return {delivery["status"] for delivery in deliveries} == {"sent"}

    await eventually(all_sent)


async def sfu_is_cut(world: World) -> None:
    await world.around.lines["sfu"].cut()


async def sfu_returns(world: World) -> None:
    await world.around.work("sfu")


async def without_sfu(world: World) -> None:
    unavailable(await initiate(world.ann, world.chat, [world.ben], topology="sfu"), "SFU_UNAVAILABLE")
    call_id = (await initiate(world.ann, world.chat, [world.ben])).ok(201)["call_id"]
    (await leave(world.ann, call_id)).ok()
    assert await world.sum("sfu_requests_total", result="error") > 0
    assert await world.ready(200, "degraded", "sfu")


async def with_sfu(world: World) -> None:
    async def through_it() -> bool:
        answer = await initiate(world.ann, world.chat, [world.ben], topology="sfu")
        if answer.status == 201:
            (await leave(world.ann, answer.data["call_id"])).ok()
        return answer.status == 201

    await eventually(through_it)


async def turn_dies(world: World) -> None:
    assert world.around.coturn is not None
    await asyncio.to_thread(world.around.coturn.kill)


async def turn_returns(world: World) -> None:
    assert world.around.coturn is not None
    await asyncio.to_thread(world.around.coturn.start)


async def without_turn(world: World) -> None:
    (await world.ann.get("/v1/calls/ice-servers")).ok()
    call_id = (await initiate(world.ann, world.chat, [world.ben])).ok(201)["call_id"]
    (await leave(world.ann, call_id)).ok()
    assert await world.ready(200, "degraded", "turn")
