"""Calls."""

from typing import Any

from tests.scenarios.files import file
from tests.scenarios.routes.world import Case, World, new_group
from tests.scenarios.signaling import call, initiate, join
from tests.scenarios.steps import Answer, Person, group, request

__all__ = ["CASES", "OPEN", "REFUSED", "ids"]


async def ids(a: Person, b: Person, g: str) -> dict[str, str]:
    """What strangers try."""
    call_id = await call(a, g, [b])
    return {"call_id": call_id, "callee_ids": b.user_id}


async def rings(w: World) -> str:
    return await call(w.a, await new_group(w), [w.b])


async def goes_on(w: World, **settings: Any) -> str:
    g = (await group(w.a, [w.b]))["conversation_id"]
    if settings:
        (await w.a.put(f"/v1/conversations/{g}/settings", settings)).ok()
    call_id = await call(w.a, g, [w.b])
    (await join(w.b, call_id)).ok()
    return call_id


async def over(w: World) -> str:
    call_id = await goes_on(w)
    (await w.a.post(f"/v1/calls/{call_id}/end")).ok()
    return call_id


async def more(w: World) -> Answer:
    g = (await group(w.a, [w.b, w.c]))["conversation_id"]
    call_id = await call(w.a, g, [w.b])
    return await w.a.post(f"/v1/calls/{call_id}/invite", {"user_ids": [w.c.user_id]})


async def rate(w: World) -> Answer:
    return await w.b.post(f"/v1/calls/{await over(w)}/rating", {"rating": 5, "comment": "hello"})


async def record(w: World, action: str) -> Answer:
    call_id = await goes_on(w, recording_enabled=True)
    return await w.b.post(f"/v1/calls/{call_id}/recording/{action}")


async def attached(w: World) -> tuple[str, Answer]:
    call_id = await goes_on(w, recording_enabled=True)
    file_id = await file(w.b, b"hello", "audio/webm")
    return call_id, await w.b.post(f"/v1/calls/{call_id}/recordings", {"file_id": file_id})


async def attach(w: World) -> Answer:
    return (await attached(w))[1]


async def recordings(w: World) -> Answer:
    return await w.a.get(f"/v1/calls/{(await attached(w))[0]}/recordings")


async def begin(w: World) -> Answer:
    return await initiate(w.a, await new_group(w), [w.b])


async def listed(w: World) -> Answer:
    await over(w)
    return await w.b.get("/v1/calls?limit=5&direction=incoming")


async def answer(w: World) -> Answer:
    return await join(w.b, await rings(w))


async def decline(w: World) -> Answer:
    return await w.b.post(f"/v1/calls/{await rings(w)}/decline", {"reason": "busy"})


async def one(w: World) -> Answer:
    return await w.b.get(f"/v1/calls/{await goes_on(w)}")


async def leave(w: World) -> Answer:
    return await w.b.post(f"/v1/calls/{await goes_on(w)}/leave")


async def end(w: World) -> Answer:
    return await w.a.post(f"/v1/calls/{await goes_on(w)}/end")


async def forged(w: World) -> Answer:
    """Nobody but the SFU signs; there is none here."""
    return await request(w.a.url, "POST", "/v1/calls/livekit/webhook", content=b"{}")


async def without_upgrade(w: World) -> Answer:
    return await w.a.get(f"/v1/ws/signaling?call_id={await rings(w)}")


CASES: dict[str, Case] = {
    "POST /v1/calls/initiate": begin,
    "GET /v1/calls": listed,
    "GET /v1/calls/ice-servers": lambda w: w.a.get("/v1/calls/ice-servers"),
    "GET /v1/calls/{id}": one,
    "POST /v1/calls/{id}/join": answer,
    "POST /v1/calls/{id}/invite": more,
    "POST /v1/calls/{id}/decline": decline,
    "POST /v1/calls/{id}/leave": leave,
    "POST /v1/calls/{id}/end": end,
    "POST /v1/calls/{id}/rating": rate,
    "POST /v1/calls/{id}/recording/start": lambda w: record(w, "start"),
    "POST /v1/calls/{id}/recording/stop": lambda w: record(w, "stop"),
    "POST /v1/calls/{id}/recordings": attach,
    "GET /v1/calls/{id}/recordings": recordings,
    "POST /v1/calls/livekit/webhook": forged,
    "GET /v1/ws/signaling": without_upgrade,
}

#: Without an upgrade there is nothing; with one see V10.
OPEN: dict[str, int] = {"GET /v1/ws/signaling": 426}
#: Operations that can only be refused here, with the status: what they need is set up in V24.
REFUSED: dict[str, int] = {"POST /v1/calls/livekit/webhook": 401}
