"""Routes of people who want their data."""

from typing import Any

from tests.scenarios.patience import eventually
from tests.scenarios.routes.world import Case, World, someone
from tests.scenarios.steps import Answer, Person

__all__ = ["CASES", "ids"]


async def _ask(w: World) -> Answer:
    return await (await someone(w)).post("/v1/users/me/export")


async def _look(w: World) -> Answer:
    person = await someone(w)
    path = f"/v1/users/me/export/{(await person.post('/v1/users/me/export')).ok(202)['export_id']}"

    async def ready() -> bool:
        return bool((await person.get(path)).ok()["status"] == "ready")

    await eventually(ready)
    return await person.get(path)


CASES: dict[str, Case] = {
    "POST /v1/users/me/export": _ask,
    "GET /v1/users/me/export/{export_id}": _look,
}


async def ids(a: Person, _: Person, __: str) -> dict[str, Any]:
    """An export of A's."""
    answer = await a.post("/v1/users/me/export")  # one a day
    return {"export_id": answer.data["export_id"]} if answer.status == 202 else {}
