"""Messages that change, and pins."""

from tests.scenarios.routes.world import Case, World, message
from tests.scenarios.steps import Answer, Person

__all__ = ["CASES", "ids"]

THUMB = "👍"


async def ids(a: Person, b: Person, g: str) -> dict[str, str]:
    """What strangers try."""
    return {"emoji": THUMB}


async def edited(w: World) -> str:
    message_id = await message(w)
    body = {"content": "after", "metadata": {"n": 1}, "mentions": [w.b.user_id], "base_edit_count": 0}
    (await w.a.patch(f"/v1/messages/{message_id}", body)).ok()
    return message_id


async def reacted(w: World) -> str:
    message_id = await message(w)
    (await w.b.post(f"/v1/messages/{message_id}/react", {"emoji": THUMB})).ok(201)
    return message_id


async def pinned(w: World) -> str:
    message_id = await message(w)
    (await w.b.post(f"/v1/conversations/{w.g}/pins", {"message_id": message_id})).ok(201)
    return message_id


async def edit(w: World) -> Answer:
    return await w.a.patch(f"/v1/messages/{await reacted(w)}", {"content": "after", "e2ee": None})


async def delete(w: World) -> Answer:
    return await w.a.delete(f"/v1/messages/{await edited(w)}?scope=everyone")


async def history(w: World) -> Answer:
    return await w.b.get(f"/v1/messages/{await edited(w)}/history?limit=5")


async def react(w: World) -> Answer:
    return await w.b.post(f"/v1/messages/{await message(w)}/react", {"emoji": THUMB})


async def unreact(w: World) -> Answer:
    return await w.b.delete(f"/v1/messages/{await reacted(w)}/react", {"emoji": THUMB})


async def reactions(w: World) -> Answer:
    return await w.a.get(f"/v1/messages/{await reacted(w)}/reactions", params={"emoji": THUMB, "limit": 5})


async def pin(w: World) -> Answer:
    return await w.b.post(f"/v1/conversations/{w.g}/pins", {"message_id": await message(w)})


async def pins(w: World) -> Answer:
    await pinned(w)
    return await w.a.get(f"/v1/conversations/{w.g}/pins?limit=5")


async def unpin(w: World) -> Answer:
    return await w.a.delete(f"/v1/conversations/{w.g}/pins/{await pinned(w)}")


CASES: dict[str, Case] = {
    "PATCH /v1/messages/{id}": edit,
    "DELETE /v1/messages/{id}": delete,
    "GET /v1/messages/{id}/history": history,
    "POST /v1/messages/{id}/react": react,
    "DELETE /v1/messages/{id}/react": unreact,
    "GET /v1/messages/{id}/reactions": reactions,
    "GET /v1/conversations/{id}/pins": pins,
    "POST /v1/conversations/{id}/pins": pin,
    "DELETE /v1/conversations/{id}/pins/{message_id}": unpin,
}
