"""Routes of administration, and the deletion of one's own account."""

from tests.scenarios.routes.world import Case, World, registration, someone
from tests.scenarios.steps import Answer, stranger

__all__ = ["CASES"]

REASON = {"reason": "Sent spam to everybody."}


async def _ban(w: World) -> Answer:
    body = {"user_id": (await someone(w)).user_id, "duration": 0.5, **REASON}
    return await w.admin.post("/v1/admin/users/ban", body)


async def _unban(w: World) -> Answer:
    body = {"user_id": (await someone(w)).user_id, **REASON}
    (await w.admin.post("/v1/admin/users/ban", {**body, "permanent": True})).ok()
    return await w.admin.post("/v1/admin/users/unban", body)


async def _create(w: World) -> Answer:
    body = {**registration(stranger(w.a.url, "z")), "role": "user", "quota": 1000}
    return await w.admin.post("/v1/admin/users", body)


async def _change(w: World) -> Answer:
    path = f"/v1/admin/users/{(await someone(w)).user_id}"
    return await w.admin.patch(path, {"role": "admin", "storage_quota": None, "email_verified": True})


async def _log_out(w: World) -> Answer:
    return await w.admin.post(f"/v1/admin/users/{(await someone(w)).user_id}/logout", REASON)


async def _reset(w: World) -> Answer:
    return await w.admin.post(f"/v1/admin/users/{(await someone(w)).user_id}/reset-mfa", REASON)


async def _delete(w: World) -> Answer:
    return await w.admin.delete(f"/v1/admin/users/{(await someone(w)).user_id}", REASON)


async def _restore(w: World) -> Answer:
    path = f"/v1/admin/users/{(await someone(w)).user_id}"
    (await w.admin.delete(path, REASON)).ok(202)
    return await w.admin.post(f"{path}/restore", REASON)


async def _leave(w: World) -> Answer:
    return await (await someone(w)).delete("/v1/users/me")


CASES: dict[str, Case] = {
    "GET /v1/admin/stats": lambda w: w.admin.get("/v1/admin/stats"),
    "GET /v1/admin/health": lambda w: w.admin.get("/v1/admin/health"),
    "GET /v1/admin/queues": lambda w: w.admin.get("/v1/admin/queues"),
    "GET /v1/admin/conversations": lambda w: w.admin.get("/v1/admin/conversations?limit=5"),
    "POST /v1/admin/retention/run": lambda w: w.admin.post("/v1/admin/retention/run", {"dry_run": True}),
    "GET /v1/admin/users": lambda w: w.admin.get(
        f"/v1/admin/users?search={w.a.username}&status=offline&sort_by=email&sort_order=ASC&limit=5"
    ),
    "POST /v1/admin/users": _create,
    "GET /v1/admin/users/{id}": lambda w: w.admin.get(f"/v1/admin/users/{w.a.user_id}"),
    "PATCH /v1/admin/users/{id}": _change,
    "DELETE /v1/admin/users/{id}": _delete,
    "POST /v1/admin/users/{id}/logout": _log_out,
    "POST /v1/admin/users/{id}/reset-mfa": _reset,
    "POST /v1/admin/users/{id}/restore": _restore,
    "POST /v1/admin/users/ban": _ban,
    "POST /v1/admin/users/unban": _unban,
    "DELETE /v1/users/me": _leave,
}
