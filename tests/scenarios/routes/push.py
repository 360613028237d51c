"""Pushes."""

from tests.scenarios.patience import eventually
from tests.scenarios.pushes import device, register_device
from tests.scenarios.routes.world import Case, World, someone
from tests.scenarios.steps import Answer

__all__ = ["CASES"]


async def register(w: World) -> Answer:
    return await w.a.post("/v1/push/tokens", {**device(), "device_id": "d1", "platform": "android"})


async def listed(w: World) -> Answer:
    await register_device(w.a)
    return await w.a.get("/v1/push/tokens")


async def count(w: World) -> Answer:
    return await w.a.get("/v1/push/tokens/count")


async def remove(w: World) -> Answer:
    body = device()
    (await w.a.post("/v1/push/tokens", body)).ok()
    return await w.a.delete("/v1/push/tokens", {"token": body["token"]})


async def remove_all(w: World) -> Answer:
    z = await someone(w)
    await register_device(z)
    return await z.delete("/v1/push/tokens/all")


async def test(w: World) -> Answer:
    await register_device(w.b)
    return await w.b.post("/v1/push/test", {"title": "T", "body": "B"})


async def deliveries(w: World) -> Answer:
    await test(w)

    async def sent() -> bool:  # a push of a message may come after it
        listed = (await w.b.get("/v1/push/deliveries")).ok()["deliveries"]
        return any((one["kind"], one["status"]) == ("test", "sent") for one in listed)

    await eventually(sent)
    return await w.b.get("/v1/push/deliveries?limit=1")


async def webpush_key(w: World) -> Answer:
    return await w.a.get("/v1/push/webpush-key")


CASES: dict[str, Case] = {
    "POST /v1/push/tokens": register,
    "GET /v1/push/tokens": listed,
    "GET /v1/push/tokens/count": count,
    "DELETE /v1/push/tokens": remove,
    "DELETE /v1/push/tokens/all": remove_all,
    "POST /v1/push/test": test,
    "GET /v1/push/deliveries": deliveries,
    "GET /v1/push/webpush-key": webpush_key,
}
