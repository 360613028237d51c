"""Second factor and passkeys: scenarios F1 to F5, with a passkey in software."""

from urllib.parse import parse_qs, urlsplit

from tests.authenticator import Authenticator
from tests.scenarios.audit import audited
from tests.scenarios.commands import make_admin
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.factors import (
    App,
    device_of,
    log_in,
    passkey_options,
    protect,
    register_passkey,
    verify,
)
from tests.scenarios.mail import mailed
from tests.scenarios.metrics import metric
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server
from tests.scenarios.steps import ISSUED, Answer, Person, request

CHANGED = "The second factor of your account changed"


async def finish(url: str, device: Authenticator, **fields: str) -> Answer:
    """Log in with a passkey."""
    begun = await passkey_options(url)
    body = {"challenge_id": begun["challenge_id"], "credential": device.get(begun["public_key"]), **fields}
    return await request(url, "POST", "/v1/auth/passkeys/login/finish", body)


async def test_f1_a_second_factor_is_on_once_confirmed(server: Server, admin: Person, reg: Register) -> None:
    """totp/setup, confirm with a wrong and then the right code; the account shows it."""
    a, b = await reg("a", "b")
    assert (await a.get("/v1/auth/mfa")).ok() == {
        "totp_enabled": False,
        "passkey_count": 0,
        "recovery_codes_left": 0,
    }
    (await a.post("/v1/auth/mfa/totp/confirm", {"code": "123456"})).is_error(404, "NOT_FOUND")
    setup = (await a.post("/v1/auth/mfa/totp/setup")).ok()
    assert (len(setup["secret"]), setup["expires_in"]) == (32, 600)
    uri = urlsplit(setup["otpauth_uri"])
    assert (uri.scheme, uri.netloc, parse_qs(uri.query)["secret"]) == ("otpauth", "totp", [setup["secret"]])
    app = App(setup["secret"])
    wrong = await a.post("/v1/auth/mfa/totp/confirm", {"code": app.wrong})
    wrong.is_error(401, "MFA_INVALID")
    assert (await a.get("/v1/users/me")).ok()["mfa_enabled"] is False
    (await b.post("/v1/auth/mfa/totp/confirm", {"code": await app.code()})).is_error(404, "NOT_FOUND")
    codes = (await a.post("/v1/auth/mfa/totp/confirm", {"code": app.last})).ok()["recovery_codes"]
    assert len(set(codes)) == 10
    assert {len(code) for code in codes} == {10}
    assert (await a.get("/v1/users/me")).ok()["mfa_enabled"] is True
    assert (await a.get("/v1/auth/mfa")).ok()["recovery_codes_left"] == 10
    (await a.post("/v1/auth/mfa/totp/setup")).is_error(409, "CONFLICT")
    await audited(admin, "mfa_enabled", actor_id=a.user_id)
    letter = await mailed(server, a.email, CHANGED)
    assert setup["secret"] not in letter.as_string()


async def test_f2_a_password_leads_to_the_second_step(server: Server, reg: Register) -> None:
    """login asks for a code and gives no tokens; the code works once; wrong codes end the login."""
    (a,) = await reg("a")
    app, _ = await protect(a)
    failures = await metric(server, "auth_failures_total", method="totp", reason="invalid")
    step = await log_in(a)
    assert step.keys() == {"mfa_required", "mfa_token", "methods", "expires_in"}
    assert (step["mfa_required"], step["methods"], step["expires_in"]) == (
        True,
        ["totp", "recovery_code"],
        300,
    )
    (await request(a.url, "GET", "/v1/users/me", token=step["mfa_token"])).is_error(401, "UNAUTHORIZED")
    entered = (await verify(a.url, step["mfa_token"], await app.code())).ok()
    assert entered["user"]["mfa_enabled"] is True
    ISSUED.update((entered["access_token"], entered["refresh_token"], step["mfa_token"]))
    (await verify(a.url, step["mfa_token"], await app.code())).is_error(401, "INVALID_TOKEN")
    again = await log_in(a)
    (await verify(a.url, again["mfa_token"], app.last)).ok()
    third = await log_in(a)
    (await verify(a.url, third["mfa_token"], app.last)).is_error(401, "MFA_INVALID")
    for _ in range(5):
        (await verify(a.url, third["mfa_token"], app.wrong)).is_error(401, "MFA_INVALID")
    for _ in range(2):
        (await verify(a.url, third["mfa_token"], app.wrong)).is_error(401, "INVALID_TOKEN")
    assert await metric(server, "auth_failures_total", method="totp", reason="invalid") == failures + 5
    locked = await request(a.url, "POST", "/v1/auth/login", {"email": a.email, "password": a.password})
    locked.is_error(423, "ACCOUNT_LOCKED")


async def test_f3_a_recovery_code_works_once(server: Server, admin: Person, reg: Register) -> None:
    """mfa/verify with a recovery code twice; new codes void the old ones."""
    (a,) = await reg("a")
    _, codes = await protect(a)
    (await verify(a.url, (await log_in(a))["mfa_token"], codes[0], "recovery_code")).ok()
    step = await log_in(a)
    (await verify(a.url, step["mfa_token"], codes[0], "recovery_code")).is_error(401, "MFA_INVALID")
    await audited(admin, "recovery_code_used", actor_id=a.user_id)
    await audited(admin, "mfa_failed", actor_id=a.user_id, result="failure")
    assert (await a.get("/v1/auth/mfa")).ok()["recovery_codes_left"] == 9
    new = (await a.post("/v1/auth/mfa/recovery-codes")).ok()["recovery_codes"]
    (await verify(a.url, step["mfa_token"], codes[1], "recovery_code")).is_error(401, "MFA_INVALID")
    (await verify(a.url, step["mfa_token"], new[1].upper(), "recovery_code")).ok()


async def test_f4_switched_off_again(server: Server, admin: Person, reg: Register) -> None:
    """DELETE totp with a code; the other sessions end; login gives tokens directly."""
    (a,) = await reg("a")
    app, codes = await protect(a)
    entered = (await verify(a.url, (await log_in(a))["mfa_token"], codes[0], "recovery_code")).ok()
    (await a.delete("/v1/auth/mfa/totp", {"code": app.wrong})).is_error(401, "MFA_INVALID")
    (await a.delete("/v1/auth/mfa/totp", {"code": await app.code()})).ok()
    other = await request(a.url, "GET", "/v1/users/me", token=entered["access_token"])
    other.is_error(401, "TOKEN_REVOKED")
    assert (await a.get("/v1/users/me")).ok()["mfa_enabled"] is False
    assert "access_token" in await log_in(a)
    (await a.delete("/v1/auth/mfa/totp", {"code": await app.code()})).is_error(404, "NOT_FOUND")
    (await a.post("/v1/auth/mfa/recovery-codes")).is_error(404, "NOT_FOUND")
    await audited(admin, "mfa_disabled", actor_id=a.user_id)
    await mailed(server, a.email, CHANGED, 2)


async def test_f5_passkeys(server: Server, admin: Person, reg: Register) -> None:
    """register, login, replay, a counter set back; as second factor; names, limits and other people's."""
    a, b = await reg("a", "b")
    device = device_of(a)
    passkey = await register_passkey(a, device)
    assert (passkey.keys(), passkey["name"]) == ({"passkey_id", "name", "created_at"}, "laptop")
    assert (await a.get("/v1/users/me")).ok()["mfa_enabled"] is True

    options = await passkey_options(a.url)
    body = {
        "challenge_id": options["challenge_id"],
        "credential": device.get(options["public_key"]),
        "device_name": "phone",
    }
    entered = (await request(a.url, "POST", "/v1/auth/passkeys/login/finish", body)).ok()
    assert entered["user"]["user_id"] == a.user_id
    sessions = (await a.get("/v1/auth/sessions")).ok()["sessions"]
    assert [row["device_name"] for row in sessions] == ["phone", None]
    answer = await request(a.url, "POST", "/v1/auth/passkeys/login/finish", body)
    answer.is_error(401, "INVALID_CREDENTIALS")
    device.credentials[0].sign_count = 0
    (await finish(a.url, device)).is_error(401, "INVALID_CREDENTIALS")
    await audited(admin, "login_failed", actor_id=a.user_id, reason="sign counter went back")
    device.credentials[0].sign_count = 10

    step = await log_in(a)
    assert step["methods"] == ["passkey"]
    (await finish(a.url, device, mfa_token=step["mfa_token"])).ok()
    (await finish(a.url, device, mfa_token=step["mfa_token"])).is_error(401, "INVALID_TOKEN")

    path = f"/v1/auth/passkeys/{passkey['passkey_id']}"
    for refused in (await b.patch(path, {"name": "mine"}), await b.delete(path)):
        refused.is_error(404, "NOT_FOUND")
    assert (await a.patch(path, {"name": "phone"})).ok()["passkey"]["name"] == "phone"
    (row,) = (await a.get("/v1/auth/passkeys")).ok()["passkeys"]
    assert (row["name"], row["last_used_at"] is not None) == ("phone", True)

    begun = (await a.post("/v1/auth/passkeys/register/begin")).ok()
    credential = device_of(a).create(begun["public_key"])
    body = {"challenge_id": begun["challenge_id"], "credential": credential, "name": "x"}
    (await b.post("/v1/auth/passkeys/register/finish", body)).is_error(404, "NOT_FOUND")
    broken = {**credential, "response": {"clientDataJSON": "e30", "attestationObject": "oA"}}
    answer = await a.post("/v1/auth/passkeys/register/finish", {**body, "credential": broken})
    answer.is_error(400, "VALIDATION_ERROR")
    assert answer.fields == ["credential"]
    (await a.post("/v1/auth/passkeys/register/finish", body)).is_error(404, "NOT_FOUND")

    (await a.delete(path)).ok()
    (await finish(a.url, device)).is_error(401, "INVALID_CREDENTIALS")
    assert "access_token" in await log_in(a)
    await audited(admin, "passkey_added", actor_id=a.user_id)
    await audited(admin, "passkey_removed", actor_id=a.user_id)
    await mailed(server, a.email, CHANGED, 2)


async def test_a24_stepping_up_without_a_password(serve: Serve, reg: Register) -> None:
    """[reauth_max_age=2, admin_mfa_required] Stale sessions prove themselves by code or passkey; admins need
    a second factor."""
    async with serve(auth={"reauth_max_age": 2, "admin_mfa_required": True}) as server:
        admin = await make_admin(server)
        (a,) = await reg("a", url=server.url)
        (await admin.get("/v1/admin/audit-logs")).is_error(403, "FORBIDDEN")
        await reauthenticated(admin, password=admin.password)
        await protect(admin)
        (await admin.get("/v1/admin/audit-logs")).ok()

        device = device_of(a)
        await reauthenticated(a, password=a.password)
        app, _ = await protect(a)
        await reauthenticated(a, password=a.password)
        await register_passkey(a, device)
        await stale(a)
        for body in ({"code": app.wrong}, {"code": app.last}):
            (await a.post("/v1/auth/reauthenticate", body)).is_error(401, "MFA_INVALID")
        await reauthenticated(a, code=await app.code())
        await reauthenticated(a, credential=device.get((await passkey_options(a.url))["public_key"]))
        other = device_of(admin)
        await reauthenticated(admin, password=admin.password)
        await register_passkey(admin, other)
        foreign = other.get((await passkey_options(a.url))["public_key"])
        (await a.post("/v1/auth/reauthenticate", {"credential": foreign})).is_error(
            401, "INVALID_CREDENTIALS"
        )
        for body in ({}, {"password": a.password, "code": "123456"}):
            (await a.post("/v1/auth/reauthenticate", body)).is_error(400, "VALIDATION_ERROR")


async def reauthenticated(person: Person, **proof: object) -> None:
    """A proof that is taken, and makes the session fresh."""
    (await person.post("/v1/auth/reauthenticate", proof)).ok()


async def stale(person: Person) -> None:
    """Wait until the session is not fresh any more."""

    async def refused() -> bool:
        return (await person.post("/v1/auth/mfa/recovery-codes")).status == 403

    await eventually(refused)
    (await person.post("/v1/auth/mfa/recovery-codes")).is_error(403, "REAUTH_REQUIRED")
