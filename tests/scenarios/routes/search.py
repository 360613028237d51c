"""Search."""

from tests.scenarios.routes.world import Case, World, message
from tests.scenarios.steps import Answer

__all__ = ["CASES"]


async def search(w: World) -> Answer:
    await message(w)
    return await w.b.get(f"/v1/messages/search?query=hello&conversation_id={w.g}&limit=5")


CASES: dict[str, Case] = {"GET /v1/messages/search": search}
