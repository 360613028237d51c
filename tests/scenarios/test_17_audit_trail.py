"""Every event of docs/reference/audit.md by what causes it."""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from tests.scenarios.conftest import Register
from tests.scenarios.factors import protect
from tests.scenarios.patience import eventually
from tests.scenarios.routes import CASES
from tests.scenarios.routes.world import World, anonymous, message, new_group, someone
from tests.scenarios.server import STARTED
from tests.scenarios.sockets import bearer, refused
from tests.scenarios.steps import Answer, Person, group, request

_DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "audit.md"
_WRONG = "Wrong-Words-12"
Cause = Callable[[World], Awaitable[object]]


async def _guess(w: World, times: int) -> None:
    z = await someone(w)
    for _ in range(times):
        await anonymous(w, "/v1/auth/login", {"email": z.email, "password": _WRONG})


async def _wrong_code(w: World) -> None:
    z = await someone(w)
    app, _ = await protect(z)
    (await z.post("/v1/auth/reauthenticate", {"code": app.wrong})).is_error(401, "MFA_INVALID")


async def _reuse(w: World) -> None:
    z = await someone(w)
    for status in (200, 401):
        answer = await anonymous(w, "/v1/auth/refresh", {"refresh_token": z.refresh})
        assert answer.status == status


async def _recover(w: World) -> None:
    z = await someone(w)
    _, codes = await protect(z)
    (await z.delete("/v1/auth/mfa/totp", {"code": codes[0]})).ok()


async def _enter_elsewhere(w: World) -> None:
    """From another address, which a server without trusted proxies does not see, on another device."""
    (server,) = [server for server in STARTED if server.url == w.a.url]
    z = await someone(w)
    server.tables.change("UPDATE sessions SET ip = '203.0.113.1' WHERE user_id = ?", z.user_id)
    await z.login(device_name="another")


async def _settings(w: World, **settings: bool) -> Answer:
    g = (await group(w.a, [w.b], is_e2ee_enabled=not settings["is_e2ee_enabled"]))["conversation_id"]
    return await w.a.put(f"/v1/conversations/{g}/settings", settings)


async def _moderate(w: World) -> Answer:
    g = await new_group(w)
    body = {"conversation_id": g, "content": "hello", "message_type": "text"}
    said = (await w.b.post("/v1/messages", body)).ok(201)
    return await w.a.delete(f"/v1/messages/{said['message_id']}?scope=everyone")


async def _cancel_upload(w: World) -> Answer:
    body = {"file_name": "a.txt", "file_size": 10, "content_type": "text/plain"}
    file_id = (await w.a.post("/v1/storage/upload-url", body)).ok()["file_id"]
    return await w.a.delete(f"/v1/storage/files/{file_id}")


async def _intrude(w: World) -> None:
    (await (await someone(w)).get(f"/v1/messages/{await message(w)}")).is_error(403, "FORBIDDEN")


async def _overstep(w: World) -> None:
    body = {
        "username": f"{(await someone(w)).username[:20]}_bot",
        "display_name": "Z",
        "scopes": ["users:read"],
    }
    token = (await w.a.post("/v1/bots", body)).ok(201)["token"]
    (await request(w.a.url, "GET", "/v1/sync", token=token)).is_error(403, "INSUFFICIENT_SCOPE")


async def _from_elsewhere(w: World) -> None:
    (await refused(w.a.url, origin="https://evil.test", **bearer(w.a))).is_error(403, "ORIGIN_NOT_ALLOWED")


async def _report(w: World) -> Answer:
    return await w.b.post(
        "/v1/reports", {"target_type": "user", "target_id": w.c.user_id, "reason": "Not nice."}
    )


async def _export(w: World) -> Answer:
    return await (await someone(w)).post("/v1/users/me/export")


async def _download_export(w: World) -> None:
    z = await someone(w)
    path = f"/v1/users/me/export/{(await z.post('/v1/users/me/export')).ok(202)['export_id']}"

    async def ready() -> bool:
        return bool((await z.get(path)).ok()["status"] == "ready")

    await eventually(ready)


async def _erase(w: World) -> Answer:
    body = {"reason": "Asked for it by letter.", "immediate": True}
    return await w.admin.delete(f"/v1/admin/users/{(await someone(w)).user_id}", body)


#: What is caused by the right call of a route.
_RIGHT = {
    "register": "POST /v1/auth/register",
    "login_success": "POST /v1/auth/login",
    "oidc_linked": "POST /v1/auth/oidc/exchange",
    "mfa_enabled": "POST /v1/auth/mfa/totp/confirm",
    "mfa_disabled": "DELETE /v1/auth/mfa/totp",
    "passkey_added": "POST /v1/auth/passkeys/register/finish",
    "passkey_removed": "DELETE /v1/auth/passkeys/{passkey_id}",
    "token_refreshed": "POST /v1/auth/refresh",
    "logout": "POST /v1/auth/logout",
    "session_revoked": "DELETE /v1/auth/sessions/{session_id}",
    "signing_key_rotated": "POST /v1/admin/keys/rotate",
    "password_reset_requested": "POST /v1/auth/password-reset/request",
    "password_reset_completed": "POST /v1/auth/password-reset/confirm",
    "password_changed": "POST /v1/users/me/password",
    "email_verified": "POST /v1/auth/verify-email",
    "email_change_requested": "POST /v1/users/me/email",
    "email_changed": "POST /v1/users/me/email/verify",
    "profile_updated": "PATCH /v1/users/me",
    "account_deleted": "DELETE /v1/users/me",
    "account_restored": "POST /v1/admin/users/{id}/restore",
    "friend_requested": "POST /v1/users/{id}/friend",
    "friend_accepted": "POST /v1/users/me/friends/{id}/accept",
    "friend_rejected": "DELETE /v1/users/me/friends/{id}/reject",
    "friend_removed": "DELETE /v1/users/me/friends/{id}",
    "user_blocked": "POST /v1/users/{id}/block",
    "user_unblocked": "DELETE /v1/users/{id}/block",
    "conversation_created": "POST /v1/conversations",
    "conversation_deleted": "DELETE /v1/conversations/{id}",
    "conversation_settings_changed": "PUT /v1/conversations/{id}/settings",
    "member_added": "POST /v1/conversations/{id}/participants",
    "member_removed": "DELETE /v1/conversations/{id}/participants/{user_id}",
    "member_role_changed": "PATCH /v1/conversations/{id}/participants/{user_id}",
    "ownership_transferred": "POST /v1/conversations/{id}/transfer",
    "invite_created": "POST /v1/conversations/{id}/invites",
    "invite_revoked": "DELETE /v1/conversations/{id}/invites/{invite_id}",
    "invite_used": "POST /v1/invites/{code}/join",
    "webhook_created": "POST /v1/conversations/{id}/webhooks",
    "webhook_rotated": "POST /v1/conversations/{id}/webhooks/{webhook_id}/rotate",
    "webhook_deleted": "DELETE /v1/conversations/{id}/webhooks/{webhook_id}",
    "webhook_used": "POST /v1/hooks/{webhook_id}/{secret}",
    "file_upload_requested": "POST /v1/storage/upload-url",
    "file_upload_completed": "POST /v1/storage/upload-complete",
    "file_download_url": "GET /v1/storage/download-url/{file_id}",
    "file_deleted": "DELETE /v1/storage/files/{file_id}",
    "bot_token_rotated": "POST /v1/bots/{user_id}/token",
    "bot_deleted": "DELETE /v1/bots/{user_id}",
    "report_resolved": "POST /v1/admin/reports/{id}/resolve",
    "admin_user_created": "POST /v1/admin/users",
    "admin_user_updated": "PATCH /v1/admin/users/{id}",
    "user_banned": "POST /v1/admin/users/ban",
    "user_unbanned": "POST /v1/admin/users/unban",
    "admin_logout_user": "POST /v1/admin/users/{id}/logout",
    "admin_mfa_reset": "POST /v1/admin/users/{id}/reset-mfa",
    "admin_erase_requested": "DELETE /v1/admin/users/{id}",
    "retention_run": "POST /v1/admin/retention/run",
    "admin_viewed": "GET /v1/admin/stats",
}
#: What is caused by something else.
_OTHER: dict[str, Cause] = {
    "login_failed": lambda w: _guess(w, 1),
    "account_locked": lambda w: _guess(w, 5),
    "mfa_failed": _wrong_code,
    "recovery_code_used": _recover,
    "new_device_login": _enter_elsewhere,
    "refresh_invalid": lambda w: anonymous(w, "/v1/auth/refresh", {"refresh_token": "x"}),
    "refresh_reuse_detected": _reuse,
    "export_requested": _export,
    "export_downloaded": _download_export,
    "user_erased": _erase,
    "e2ee_enabled": lambda w: _settings(w, is_e2ee_enabled=True),
    "e2ee_disabled": lambda w: _settings(w, is_e2ee_enabled=False),
    "message_deleted_by_moderator": _moderate,
    "permission_denied": _intrude,
    "scope_denied": _overstep,
    "origin_denied": _from_elsewhere,
    "file_upload_failed": _cancel_upload,
    "bot_created": _overstep,
    "report_created": _report,
}
#: Have scenarios of their own, with settings or sockets: D11, V1 to V25, K4 and K5.
_ELSEWHERE = ("file_upload_expired", "call_", "backup_created", "restore_completed")


async def test_g5_every_event_is_recorded_once(admin: Person, reg: Register) -> None:
    """Each documented event: what causes it leaves one record of it."""
    a, b, c = await reg("a", "b", "c")
    w = World(a, b, c, admin, (await group(a, [b]))["conversation_id"])
    causes: dict[str, Cause] = {event: CASES[route] for event, route in _RIGHT.items()} | _OTHER
    assert {event for event in documented() if not event.startswith(_ELSEWHERE)} == causes.keys()
    wrong = {}
    for event, cause in causes.items():
        before = recorded(w, event)
        await cause(w)

        async def there(event: str = event, before: int = before) -> bool:
            return recorded(w, event) > before

        with suppress(TimeoutError):
            await eventually(there, 5)
        if recorded(w, event) != before + 1:
            wrong[event] = recorded(w, event) - before
    assert wrong == {}


def documented() -> set[str]:
    """The events of the reference."""
    events = _DOCUMENT.read_text().partition("| Event |")[2]
    rows = re.findall(r"^\| ([a-z0-9_, ]+) \|", events, re.MULTILINE)
    return {event for row in rows for event in row.split(", ")}


def recorded(w: World, event: str) -> int:
    """How many records of this event there are; records of failures come from a queue."""
    (server,) = [server for server in STARTED if server.url == w.a.url]
    ((count,),) = server.tables.rows("SELECT count(*) FROM audit_logs WHERE event = ?", event)
    return int(count)
