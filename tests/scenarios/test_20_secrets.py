"""What is found by whoever gets hold of the data directory or the log: scenario Z9."""

import base64
import os
import secrets
import stat
from pathlib import Path
from typing import Any

from tests.mailbox import token_of
from tests.scenarios.commands import make_admin
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.factors import device_of, log_in, passkey_options, protect, register_passkey, verify
from tests.scenarios.mail import mailed
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server
from tests.scenarios.steps import Answer, Person, group, request, send, ws


async def test_z9_the_database_holds_no_secret(serve: Serve, reg: Register, tmp_path: Path) -> None:
    """Passwords, tokens, tickets, codes, keys of devices, whatever became of them: none is in a database, in
    a file beside it or in the log, but in mails; and nobody but the server's user may read any of that."""
    mask = os.umask(0)
    try:
        async with serve(auth={"email_verification": "optional"}) as server:
            admin = await make_admin(server)
            a, b, c = await reg("a", "b", "c", url=server.url)
            hidden = [
                *await use_everything(a, b, admin),
                *await second_factors(b),
                *await use_mail(server, c),
                *await use_devices(c),
            ]
            await eventually(lambda: written(server, "push.jsonl"))
            assert readable(left(server), hidden) == []
            assert open_to_others(server.data_dir) == []
            assert await server.stop() == 0
            assert readable(left(server), hidden) == []
            assert readable(left(server), [a.email]) == [a.email], "the search finds what is there"
            assert open_to_others(server.data_dir) == []
    finally:
        os.umask(mask)


async def written(server: Server, name: str) -> bool:
    return (server.data_dir / name).exists()


def left(server: Server) -> list[Path]:
    """Logs, tables and every file of the data directory, but the keys of the server and mails to be sent."""
    apart = {server.data_dir / "secrets", server.data_dir / "mail"}
    files = [path for path in server.data_dir.rglob("*") if path.is_file() and not apart & {*path.parents}]
    assert "push.jsonl" in {file.name for file in files}
    copy = server.data_dir.parent / "tables"
    copy.write_bytes(server.tables.dump())
    return [*server.logs, copy, *files]


def open_to_others(directory: Path) -> list[tuple[str, str]]:
    """What others than the owner may read, write or enter."""
    modes = [(str(path), path.stat().st_mode) for path in (directory, *directory.rglob("*"))]
    return [(path, stat.filemode(mode)) for path, mode in modes if mode & 0o077]


async def use_everything(a: Person, b: Person, admin: Person) -> list[str]:
    """Make every kind of secret, with and without an idempotency key; returns them."""
    wrong, new = f"Wrong-{secrets.token_hex(6)}", f"New-{secrets.token_hex(6)}-Lamp"
    hidden = [a.password, wrong, new, admin.access, admin.refresh, b.access, b.refresh]
    body: dict[str, Any] = {"email": a.email, "password": wrong}
    (await request(a.url, "POST", "/v1/auth/login", body)).is_error(401, "INVALID_CREDENTIALS")
    hidden += [a.access, a.refresh]
    a.take((await request(a.url, "POST", "/v1/auth/refresh", {"refresh_token": a.refresh})).ok())
    key = {"idempotency-key": "secret-1"}
    body = {"old_password": a.password, "new_password": new}
    (await a.post("/v1/users/me/password", body, headers=key)).ok()
    (await a.post("/v1/auth/reauthenticate", {"password": new}, headers=key)).ok()
    (await admin.post("/v1/admin/keys/rotate", headers=key)).ok()

    g = (await group(a, [b]))["conversation_id"]
    (await send(a, g, "hello", "k1")).ok(201)
    for headers in ({}, key):
        ticket = (await a.post("/v1/ws/tickets", {}, headers=headers)).ok(201)["ticket"]
        invite = (await a.post(f"/v1/conversations/{g}/invites", {}, headers=headers)).ok(201)
        (await admin.post(f"/v1/invites/{invite['code']}/join", {}, headers=headers)).ok()
        hidden += [ticket, invite["code"]]
        hidden += await use_bots(a, g, headers)
    async with ws(a) as chat:
        await chat.command("token_refresh", access_token=a.access)
    return [*hidden, a.access, a.refresh]


async def second_factors(b: Person) -> list[str]:
    """The secret of an app (waiting and in use), recovery codes (used and not), a login that waits."""
    given_up = (await b.post("/v1/auth/mfa/totp/setup")).ok()["secret"]
    app, codes = await protect(b)
    waiting = (await log_in(b))["mfa_token"]
    entered = (await verify(b.url, (await log_in(b))["mfa_token"], codes[0], "recovery_code")).ok()
    return [given_up, app.secret, *codes, waiting, entered["access_token"], entered["refresh_token"]]


async def use_mail(server: Server, c: Person) -> list[str]:
    """Tokens that were mailed: used, replaced and waiting."""
    url = server.url

    async def post(path: str, body: dict[str, Any]) -> Answer:
        return await request(url, "POST", path, body)

    verify_token = token_of(await mailed(server, c.email, "Confirm your e-mail address"))
    (await post("/v1/auth/verify-email", {"token": verify_token})).ok()
    (await post("/v1/auth/password-reset/request", {"email": c.email})).ok()
    used = token_of(await mailed(server, c.email, "Set a new password"))
    hidden = [verify_token, used, c.password]
    c.password = f"New-{secrets.token_hex(6)}-Lamp"
    (await post("/v1/auth/password-reset/confirm", {"token": used, "new_password": c.password})).ok()
    c.take(await log_in(c))
    (await post("/v1/auth/password-reset/request", {"email": c.email})).ok()
    new_email = f"new-{c.email}"
    body = {"new_email": new_email, "password": c.password}
    (await c.post("/v1/users/me/email", body, headers={"idempotency-key": "mail-1"})).ok(202)
    waiting = await mailed(server, new_email, "Confirm your new e-mail address")
    return [*hidden, token_of(waiting), c.password, c.access, c.refresh]


async def use_devices(c: Person) -> list[str]:
    """Tokens and keys of devices that take pushes, a passkey, and what was signed with it."""
    token, key = secrets.token_hex(40), {"idempotency-key": "device-1"}
    (await c.post("/v1/push/tokens", {"token": token, "type": "fcm"}, headers=key)).ok()
    (await c.post("/v1/push/test", {"title": "T", "body": "B"}, headers=key)).ok(202)
    device = device_of(c)
    await register_passkey(c, device)
    begun = await passkey_options(c.url)
    signed = device.get(begun["public_key"])
    body = {"challenge_id": begun["challenge_id"], "credential": signed}
    entered = (await request(c.url, "POST", "/v1/auth/passkeys/login/finish", body)).ok()
    return [token, signed["response"]["signature"], entered["access_token"], entered["refresh_token"]]


async def use_bots(a: Person, g: str, headers: dict[str, str]) -> list[str]:
    """Make and renew a bot's token and a webhook, and use them; returns what is secret of it."""
    body = {"username": f"b{secrets.token_hex(6)}_bot", "display_name": "B", "scopes": ["messages:read"]}
    made = (await a.post("/v1/bots", body, headers=headers)).ok(201)
    path = f"/v1/bots/{made['bot']['user_id']}/token"
    tokens = [made["token"], (await a.post(path, headers=headers)).ok()["token"]]
    (await request(a.url, "GET", "/v1/sync", token=tokens[1])).ok()
    path = f"/v1/conversations/{g}/webhooks"
    hook = (await a.post(path, {"name": "N"}, headers=headers)).ok(201)["webhook"]
    path = f"{path}/{hook['webhook_id']}/rotate"
    urls = [hook["url"], (await a.post(path, headers=headers)).ok()["webhook"]["url"]]
    (await request(a.url, "POST", urls[1][urls[1].index("/v1/") :], {"text": "hello"})).ok(201)
    return [token.removeprefix("scb_") for token in tokens] + [url.rpartition("/")[2] for url in urls]


def readable(files: list[Path], secrets_: list[str]) -> list[str]:
    """Those whose bytes, or the bytes that they encode, are in one of the files."""
    content = b"".join(file.read_bytes() for file in files)
    found = []
    for secret in secrets_:
        forms = [secret.encode()]
        if len(secret) == 43:
            forms.append(base64.urlsafe_b64decode(secret + "="))
        if len(secret) == 32:
            forms.append(base64.b32decode(secret))
        if any(form in content for form in forms):
            found.append(secret)
    return found
