"""The inbox."""

from typing import Any

from tests.scenarios.patience import eventually
from tests.scenarios.routes.world import Case, World, someone
from tests.scenarios.steps import Answer, Person

__all__ = ["CASES", "ids"]


async def entry(owner: Person, asker: Person) -> Any:
    """An entry of the owner's: a friend request of `asker`."""
    (await asker.post(f"/v1/users/{owner.user_id}/friend")).ok(201)
    found: list[Any] = []

    async def there() -> bool:
        found[:] = (await owner.get("/v1/notifications?type=friend_request")).ok()["notifications"]
        return bool(found)

    await eventually(there)
    return found[0]


async def ids(a: Person, b: Person, g: str) -> dict[str, str]:
    """What strangers try."""
    return {"notification_id": (await entry(a, b))["notification_id"]}


async def read(w: World) -> Answer:
    notification_id = (await entry(w.a, await someone(w)))["notification_id"]
    return await w.a.post(f"/v1/notifications/{notification_id}/read")


async def remove(w: World) -> Answer:
    notification_id = (await entry(w.a, await someone(w)))["notification_id"]
    return await w.a.delete(f"/v1/notifications/{notification_id}")


CASES: dict[str, Case] = {
    "GET /v1/notifications": lambda w: w.a.get("/v1/notifications?unread_only=false&limit=5"),
    "GET /v1/notifications/count": lambda w: w.a.get("/v1/notifications/count"),
    "POST /v1/notifications/read-all": lambda w: w.a.post("/v1/notifications/read-all"),
    "GET /v1/notifications/preferences": lambda w: w.a.get("/v1/notifications/preferences"),
    "PATCH /v1/notifications/preferences": lambda w: w.b.patch(
        "/v1/notifications/preferences", {"poll_enabled": True, "quiet_hours": None}
    ),
    "POST /v1/notifications/{id}/read": read,
    "DELETE /v1/notifications/{id}": remove,
}
