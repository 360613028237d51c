"""Accounts, people, conversations, messages, presence and the pages of the server itself."""

from typing import Any

from tests.scenarios.routes.world import (
    Case,
    World,
    anonymous,
    message,
    new_group,
    page,
    registration,
    someone,
)
from tests.scenarios.steps import PASSWORD, Answer, send, stranger

__all__ = ["CASES", "OPEN"]


async def invite(w: World) -> Any:
    return (await w.a.post(f"/v1/conversations/{w.g}/invites", {})).ok(201)


async def login(w: World) -> Answer:
    return await anonymous(w, "/v1/auth/login", {"email": w.b.email, "password": PASSWORD})


async def refresh(w: World) -> Answer:
    return await anonymous(w, "/v1/auth/refresh", {"refresh_token": (await someone(w)).refresh})


async def end_session(w: World) -> Answer:
    other = await w.b.login()
    return await w.b.delete(f"/v1/auth/sessions/{other.session_id}")


async def change_password(w: World) -> Answer:
    body = {"old_password": PASSWORD, "new_password": "New-Violet-77-Lamp"}
    return await (await someone(w)).post("/v1/users/me/password", body)


async def accept(w: World) -> Answer:
    other = await someone(w)
    (await other.post(f"/v1/users/{w.a.user_id}/friend")).ok(201)
    return await w.a.post(f"/v1/users/me/friends/{other.user_id}/accept")


async def reject(w: World) -> Answer:
    other = await someone(w)
    (await other.post(f"/v1/users/{w.a.user_id}/friend")).ok(201)
    return await w.a.delete(f"/v1/users/me/friends/{other.user_id}/reject")


async def unfriend(w: World) -> Answer:
    other = await someone(w)
    (await other.post(f"/v1/users/{w.a.user_id}/friend")).ok(201)
    (await w.a.post(f"/v1/users/me/friends/{other.user_id}/accept")).ok()
    return await w.a.delete(f"/v1/users/me/friends/{other.user_id}")


async def withdraw(w: World) -> Answer:
    other = await someone(w)
    (await w.a.post(f"/v1/users/{other.user_id}/friend")).ok(201)
    return await w.a.delete(f"/v1/users/{other.user_id}/friend")


async def unblock(w: World) -> Answer:
    other = await someone(w)
    (await w.a.post(f"/v1/users/{other.user_id}/block", {"reason": "spam spam"})).ok(201)
    return await w.a.delete(f"/v1/users/{other.user_id}/block")


async def edit(w: World) -> Answer:
    body = {"title": "Walks", "description": "Every day", "avatar_url": None}
    return await w.a.patch(f"/v1/conversations/{w.g}", body)


async def transfer(w: World) -> Answer:
    return await w.a.post(f"/v1/conversations/{await new_group(w)}/transfer", {"user_id": w.b.user_id})


async def archive_again(w: World) -> Answer:
    conversation_id = await new_group(w)
    (await w.a.post(f"/v1/conversations/{conversation_id}/archive")).ok()
    return await w.a.post(f"/v1/conversations/{conversation_id}/unarchive")


async def remove(w: World) -> Answer:
    return await w.a.delete(f"/v1/conversations/{await new_group(w)}/participants/{w.b.user_id}")


async def promote(w: World) -> Answer:
    path = f"/v1/conversations/{w.g}/participants/{w.b.user_id}"
    return await w.a.patch(path, {"role": "admin"})


async def add(w: World) -> Answer:
    path = f"/v1/conversations/{await new_group(w)}/participants"
    return await w.a.post(path, {"user_ids": [w.c.user_id, w.b.user_id]})


async def revoke(w: World) -> Answer:
    return await w.a.delete(f"/v1/conversations/{w.g}/invites/{(await invite(w))['invite_id']}")


async def join(w: World) -> Answer:
    return await (await someone(w)).post(f"/v1/invites/{(await invite(w))['code']}/join")


async def read_message(w: World) -> Answer:
    body = {"conversation_id": w.g, "last_message_id": await message(w)}
    return await w.b.post("/v1/messages/read", body)


async def list_messages(w: World) -> Answer:
    await message(w)
    return await w.b.get(f"/v1/messages?conversation_id={w.g}&limit=5")


async def logout(w: World) -> Answer:
    return await (await w.b.login()).post("/v1/auth/logout")


async def befriend(w: World) -> Answer:
    return await w.a.post(f"/v1/users/{(await someone(w)).user_id}/friend")


async def block(w: World) -> Answer:
    return await w.a.post(f"/v1/users/{(await someone(w)).user_id}/block", {"reason": "spam spam"})


async def delete(w: World) -> Answer:
    return await w.a.delete(f"/v1/conversations/{await new_group(w)}")


async def leave(w: World) -> Answer:
    return await w.b.post(f"/v1/conversations/{await new_group(w)}/leave")


async def preview(w: World) -> Answer:
    return await w.c.get(f"/v1/invites/{(await invite(w))['code']}")


async def one_message(w: World) -> Answer:
    return await w.b.get(f"/v1/messages/{await message(w)}")


CASES: dict[str, Case] = {
    "GET /health": page("/health"),
    "GET /livez": page("/livez"),
    "GET /readyz": page("/readyz"),
    "GET /metrics": page("/metrics"),
    "GET /openapi.json": page("/openapi.json"),
    "GET /asyncapi.json": page("/asyncapi.json"),
    "GET /docs": page("/docs"),
    "GET /.well-known/jwks.json": page("/.well-known/jwks.json"),
    "POST /v1/auth/register": lambda w: anonymous(
        w, "/v1/auth/register", registration(stranger(w.a.url, "z"))
    ),
    "POST /v1/auth/login": login,
    "POST /v1/auth/refresh": refresh,
    "POST /v1/auth/logout": logout,
    "POST /v1/auth/reauthenticate": lambda w: w.a.post("/v1/auth/reauthenticate", {"password": PASSWORD}),
    "GET /v1/auth/profile": lambda w: w.a.get("/v1/auth/profile"),
    "GET /v1/auth/sessions": lambda w: w.a.get("/v1/auth/sessions?limit=5"),
    "DELETE /v1/auth/sessions": lambda w: w.a.delete("/v1/auth/sessions"),
    "DELETE /v1/auth/sessions/{session_id}": end_session,
    "GET /v1/users/me": lambda w: w.a.get("/v1/users/me"),
    "PATCH /v1/users/me": lambda w: w.a.patch(
        "/v1/users/me", {"about": "Hello", "status_text": None, "privacy": {"show_presence": True}}
    ),
    "POST /v1/users/me/password": change_password,
    "GET /v1/users/search": lambda w: w.a.get(f"/v1/users/search?q={w.b.username[:6]}&limit=5"),
    "GET /v1/users/{id}": lambda w: w.a.get(f"/v1/users/{w.b.user_id}"),
    "GET /v1/users/{id}/mutual-friends": lambda w: w.a.get(f"/v1/users/{w.c.user_id}/mutual-friends"),
    "GET /v1/users/me/friends": lambda w: w.a.get("/v1/users/me/friends?offset=0&limit=5"),
    "GET /v1/users/me/friend-requests": lambda w: w.a.get("/v1/users/me/friend-requests?direction=outgoing"),
    "GET /v1/users/me/blocked": lambda w: w.a.get("/v1/users/me/blocked"),
    "POST /v1/users/{id}/friend": befriend,
    "DELETE /v1/users/{id}/friend": withdraw,
    "POST /v1/users/me/friends/{id}/accept": accept,
    "DELETE /v1/users/me/friends/{id}/reject": reject,
    "DELETE /v1/users/me/friends/{id}": unfriend,
    "POST /v1/users/{id}/block": block,
    "DELETE /v1/users/{id}/block": unblock,
    "POST /v1/conversations": lambda w: w.a.post(
        "/v1/conversations",
        {
            "type": "group",
            "title": "G",
            "participant_ids": [w.b.user_id],
            "settings": {"post_permission": "members"},
        },
    ),
    "GET /v1/conversations": lambda w: w.a.get("/v1/conversations?archived=all&limit=5"),
    "GET /v1/conversations/{id}": lambda w: w.b.get(f"/v1/conversations/{w.g}"),
    "PATCH /v1/conversations/{id}": edit,
    "DELETE /v1/conversations/{id}": delete,
    "PUT /v1/conversations/{id}/settings": lambda w: w.a.put(
        f"/v1/conversations/{w.g}/settings", {"message_retention_days": 30}
    ),
    "GET /v1/conversations/{id}/participants": lambda w: w.b.get(f"/v1/conversations/{w.g}/participants"),
    "POST /v1/conversations/{id}/participants": add,
    "PATCH /v1/conversations/{id}/participants/{user_id}": promote,
    "DELETE /v1/conversations/{id}/participants/{user_id}": remove,
    "POST /v1/conversations/{id}/leave": leave,
    "POST /v1/conversations/{id}/transfer": transfer,
    "POST /v1/conversations/{id}/archive": lambda w: w.b.post(f"/v1/conversations/{w.g}/archive"),
    "POST /v1/conversations/{id}/unarchive": archive_again,
    "POST /v1/conversations/{id}/mute": lambda w: w.b.post(
        f"/v1/conversations/{w.g}/mute", {"until": "2999-01-01T00:00:00+02:00"}
    ),
    "POST /v1/conversations/{id}/unmute": lambda w: w.b.post(f"/v1/conversations/{w.g}/unmute"),
    "POST /v1/conversations/{id}/invites": lambda w: w.a.post(
        f"/v1/conversations/{w.g}/invites", {"expires_in": 300, "max_uses": 1}
    ),
    "GET /v1/conversations/{id}/invites": lambda w: w.a.get(f"/v1/conversations/{w.g}/invites"),
    "DELETE /v1/conversations/{id}/invites/{invite_id}": revoke,
    "GET /v1/invites/{code}": preview,
    "POST /v1/invites/{code}/join": join,
    "POST /v1/messages": lambda w: send(w.a, w.g, "hello", metadata={"n": 5}, mentions=[w.b.user_id]),
    "GET /v1/messages": list_messages,
    "GET /v1/messages/{id}": one_message,
    "POST /v1/messages/read": read_message,
    "GET /v1/conversations/{id}/events": lambda w: w.b.get(f"/v1/conversations/{w.g}/events?after_seq=0"),
    "POST /v1/conversations/{id}/read": lambda w: w.b.post(f"/v1/conversations/{w.g}/read", {"seq": 1}),
    "GET /v1/sync": lambda w: w.a.get("/v1/sync?limit=5"),
    "GET /v1/presence": lambda w: w.a.get(f"/v1/presence?user_ids={w.b.user_id},{w.c.user_id}"),
    "POST /v1/presence": lambda w: w.a.post("/v1/presence", {"online": True, "status": "away"}),
    "POST /v1/ws/tickets": lambda w: w.b.post("/v1/ws/tickets", {"conversation_id": w.g}),
    "GET /v1/ws/chat": lambda w: w.a.get("/v1/ws/chat"),
    "GET /v1/admin/audit-logs": lambda w: w.admin.get("/v1/admin/audit-logs?result=success&limit=5"),
    "POST /v1/admin/keys/rotate": lambda w: w.admin.post("/v1/admin/keys/rotate"),
}

# Routes on which A's id only says whom D means: D acts on what is D's own, or asks what anybody may know.
OPEN: dict[str, int] = {
    "GET /v1/users/{id}": 200,
    "GET /v1/users/{id}/mutual-friends": 200,
    "POST /v1/users/{id}/friend": 201,
    "DELETE /v1/users/{id}/friend": 200,  # the request of the line above
    "POST /v1/users/{id}/block": 201,
    "DELETE /v1/users/{id}/block": 200,
    "GET /v1/presence": 200,
    "POST /v1/conversations": 201,
    "GET /v1/ws/chat": 426,  # nothing without an upgrade; with one see below
}
