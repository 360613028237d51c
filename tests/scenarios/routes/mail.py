"""Routes whose right call begins with a mail."""

from tests.mailbox import token_of
from tests.scenarios.mail import mailed
from tests.scenarios.routes.world import Case, World, anonymous, someone
from tests.scenarios.server import STARTED
from tests.scenarios.steps import Answer, Person, stranger

__all__ = ["CASES"]


async def _token(w: World, to: str, subject: str) -> str:
    """The token that was mailed."""
    (server,) = [server for server in STARTED if server.url == w.a.url]
    return token_of(await mailed(server, to, subject))


async def _ask_reset(w: World, person: Person | None = None) -> Answer:
    email = (person or stranger(w.a.url, "x")).email
    return await anonymous(w, "/v1/auth/password-reset/request", {"email": email})


async def _reset(w: World) -> Answer:
    z = await someone(w)
    (await _ask_reset(w, z)).ok()
    body = {"token": await _token(w, z.email, "Set a new password"), "new_password": "New-Violet-77-Lamp"}
    return await anonymous(w, "/v1/auth/password-reset/confirm", body)


async def _ask_again(w: World, person: Person | None = None) -> Answer:
    email = (person or stranger(w.a.url, "x")).email
    return await anonymous(w, "/v1/auth/verify-email/resend", {"email": email})


async def _verify(w: World) -> Answer:
    z = await someone(w)
    (await _ask_again(w, z)).ok()
    token = await _token(w, z.email, "Confirm your e-mail address")
    return await anonymous(w, "/v1/auth/verify-email", {"token": token})


async def _ask_change(w: World, person: Person | None = None, new_email: str | None = None) -> Answer:
    z = person or await someone(w)
    body = {"new_email": new_email or stranger(w.a.url, "n").email, "password": z.password}
    return await z.post("/v1/users/me/email", body)


async def _change(w: World) -> Answer:
    z, new_email = await someone(w), stranger(w.a.url, "n").email
    (await _ask_change(w, z, new_email)).ok(202)
    token = await _token(w, new_email, "Confirm your new e-mail address")
    return await z.post("/v1/users/me/email/verify", {"token": token})


CASES: dict[str, Case] = {
    "POST /v1/auth/password-reset/request": _ask_reset,
    "POST /v1/auth/password-reset/confirm": _reset,
    "POST /v1/auth/verify-email": _verify,
    "POST /v1/auth/verify-email/resend": _ask_again,
    "POST /v1/users/me/email": _ask_change,
    "POST /v1/users/me/email/verify": _change,
}
