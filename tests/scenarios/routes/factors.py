"""Second factors and passkeys."""

from typing import Any

from tests.scenarios.factors import App, device_of, log_in, passkey_options, protect, register_passkey, verify
from tests.scenarios.routes.world import Case, World, anonymous, someone
from tests.scenarios.steps import Answer, Person

__all__ = ["CASES", "OPEN", "ids"]


async def ids(a: Person, b: Person, g: str) -> dict[str, str]:
    """What strangers try. It is B's, since A goes on to log in with a password alone."""
    passkey = await register_passkey(b, device_of(b))
    begun = (await b.post("/v1/auth/passkeys/register/begin")).ok()
    return {"passkey_id": passkey["passkey_id"], "challenge_id": begun["challenge_id"]}


async def confirm(w: World) -> Answer:
    person = await someone(w)
    app = App((await person.post("/v1/auth/mfa/totp/setup")).ok()["secret"])
    return await person.post("/v1/auth/mfa/totp/confirm", {"code": await app.code()})


async def second_step(w: World) -> Answer:
    person = await someone(w)
    app, _ = await protect(person)
    return await verify(person.url, (await log_in(person))["mfa_token"], await app.code())


async def switch_off(w: World) -> Answer:
    person = await someone(w)
    _, codes = await protect(person)
    return await person.delete("/v1/auth/mfa/totp", {"code": codes[0]})


async def renew(w: World) -> Answer:
    person = await someone(w)
    await protect(person)
    return await person.post("/v1/auth/mfa/recovery-codes")


async def registration(w: World) -> tuple[Person, Any]:
    person = await someone(w)
    begun = (await person.post("/v1/auth/passkeys/register/begin")).ok()
    credential = device_of(person).create(begun["public_key"])
    return person, {"challenge_id": begun["challenge_id"], "credential": credential, "name": "laptop"}


async def finish_registration(w: World) -> Answer:
    person, body = await registration(w)
    return await person.post("/v1/auth/passkeys/register/finish", body)


async def finish_login(w: World) -> Answer:
    person = await someone(w)
    device = device_of(person)
    await register_passkey(person, device)
    begun = await passkey_options(person.url)
    body = {"challenge_id": begun["challenge_id"], "credential": device.get(begun["public_key"])}
    return await anonymous(w, "/v1/auth/passkeys/login/finish", body)


async def owner(w: World) -> tuple[Person, str]:
    person = await someone(w)
    return person, (await register_passkey(person, device_of(person)))["passkey_id"]


async def rename(w: World) -> Answer:
    person, passkey_id = await owner(w)
    return await person.patch(f"/v1/auth/passkeys/{passkey_id}", {"name": "phone"})


async def remove(w: World) -> Answer:
    person, passkey_id = await owner(w)
    return await person.delete(f"/v1/auth/passkeys/{passkey_id}")


CASES: dict[str, Case] = {
    "GET /v1/auth/mfa": lambda w: w.a.get("/v1/auth/mfa"),
    "POST /v1/auth/mfa/totp/setup": lambda w: w.a.post("/v1/auth/mfa/totp/setup"),
    "POST /v1/auth/mfa/totp/confirm": confirm,
    "DELETE /v1/auth/mfa/totp": switch_off,
    "POST /v1/auth/mfa/recovery-codes": renew,
    "POST /v1/auth/mfa/verify": second_step,
    "POST /v1/auth/passkeys/register/begin": lambda w: w.a.post("/v1/auth/passkeys/register/begin"),
    "POST /v1/auth/passkeys/register/finish": finish_registration,
    "GET /v1/auth/passkeys": lambda w: w.a.get("/v1/auth/passkeys"),
    "PATCH /v1/auth/passkeys/{passkey_id}": rename,
    "DELETE /v1/auth/passkeys/{passkey_id}": remove,
    "POST /v1/auth/passkeys/login/begin": lambda w: anonymous(w, "/v1/auth/passkeys/login/begin", {}),
    "POST /v1/auth/passkeys/login/finish": finish_login,
}

#: Logging in is open to strangers, and the challenge of somebody else is no good for it.
OPEN = {"POST /v1/auth/passkeys/login/finish": 401}
