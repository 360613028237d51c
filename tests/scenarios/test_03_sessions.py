"""Sessions and their tokens: scenarios A9 to A12 and A14 to A16."""

import asyncio
import base64
import hashlib
import hmac
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.scenarios.accounts import Claims, encode, keys, login, me, refresh
from tests.scenarios.audit import audited
from tests.scenarios.conftest import Register
from tests.scenarios.patience import eventually
from tests.scenarios.steps import NIL, Person, request


async def test_a9_refresh_rotates(reg: Register) -> None:
    """Each refresh gives new tokens of the same session; the access token before keeps its time."""
    (a,) = await reg("a")
    first = (await refresh(a.url, a.refresh)).ok()
    (await me(a)).ok()
    second = (await refresh(a.url, first["refresh_token"])).ok()
    assert set(second) == {"access_token", "refresh_token", "token_type", "expires_in", "session_id"}
    assert len({a.access, first["access_token"], second["access_token"]}) == 3
    assert len({a.refresh, first["refresh_token"], second["refresh_token"]}) == 3
    assert {first["session_id"], second["session_id"]} == {a.session_id}
    (await me(a, second["access_token"])).ok()


async def test_a10_reuse_ends_the_session(reg: Register, admin: Person) -> None:
    """A rotated refresh token comes back: somebody has a copy, so the whole session ends."""
    (a,) = await reg("a")
    newest = (await refresh(a.url, a.refresh)).ok()
    (await refresh(a.url, a.refresh)).is_error(401, "TOKEN_REUSED")
    (await refresh(a.url, newest["refresh_token"])).is_error(401, "INVALID_TOKEN")
    (await me(a, newest["access_token"])).is_error(401, "TOKEN_REVOKED")
    record = await audited(admin, "refresh_reuse_detected", actor_id=a.user_id)
    assert (record["target_type"], record["target_id"]) == ("session", a.session_id)


async def test_a11_parallel_refreshes(reg: Register) -> None:
    """Ten at once: one wins, and the session ends."""
    (a,) = await reg("a")
    answers = await asyncio.gather(*(refresh(a.url, a.refresh) for _ in range(10)))
    (won,) = [answer for answer in answers if answer.status == 200]
    for answer in answers:
        if answer is not won:
            assert (answer.status, answer.error["code"]) in {(401, "TOKEN_REUSED"), (401, "INVALID_TOKEN")}
    (await me(a, won.data["access_token"])).is_error(401, "TOKEN_REVOKED")
    (await refresh(a.url, won.data["refresh_token"])).is_error(401, "INVALID_TOKEN")


async def test_a12_tokens_of_other_kinds_and_makers(reg: Register) -> None:
    """Each kind opens its own door only, and no forged token opens any."""
    a, b = await reg("a", "b")
    (await me(a, a.refresh)).is_error(401, "UNAUTHORIZED")
    (await refresh(a.url, a.access)).is_error(401, "INVALID_TOKEN")

    header, payload, signature = a.access.split(".")
    claims = jwt.decode(a.access, options={"verify_signature": False})
    kid = jwt.get_unverified_header(a.access)["kid"]
    (key,) = [key for key in await keys(a.url) if key["kid"] == kid]
    public = base64.urlsafe_b64decode(key["x"] + "=")
    private = Ed25519PrivateKey.generate()

    def signed(change: Claims, **head: Any) -> str:
        return jwt.encode({**claims, **change}, private, algorithm="EdDSA", headers={"kid": kid, **head})

    hs256 = f"{encode({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{payload}"
    mac = base64.urlsafe_b64encode(hmac.digest(public, hs256.encode(), hashlib.sha256)).rstrip(b"=").decode()
    forged = {
        "alg none": f"{encode({'alg': 'none', 'kid': kid})}.{payload}.",
        "alg none, signed": f"{encode({'alg': 'none', 'kid': kid})}.{payload}.{signature}",
        "HS256 under the public key": f"{hs256}.{mac}",
        "other aud": signed({"aud": "elsewhere"}),
        "other iss": signed({"iss": "elsewhere"}),
        "changed sub": f"{header}.{encode({**claims, 'sub': b.user_id})}.{signature}",
        "own key": signed({}),
        "unknown kid": signed({}, kid="unknown"),
        "no signature": f"{header}.{payload}.",
        "cut off": a.access[:-10],
        "kid of another kind": signed({}, kid="../../etc/passwd"),
        "nothing": "x",
    }
    for name, token in forged.items():
        answer = await me(a, token)
        assert (answer.status, answer.error["code"]) == (401, "UNAUTHORIZED"), name
        assert answer.headers["www-authenticate"] == "Bearer"
        (await refresh(a.url, token)).is_error(401, "INVALID_TOKEN")
    for value in ("", "Bearer", f"Basic {a.access}", a.access):
        answer = await request(a.url, "GET", "/v1/users/me", headers={"authorization": value})
        answer.is_error(401, "UNAUTHORIZED")
    (await request(a.url, "GET", f"/v1/users/me?token={a.access}")).is_error(401, "UNAUTHORIZED")
    (await me(a)).ok()


async def test_a14_logout(reg: Register) -> None:
    """Both tokens of the session stop; a new login works."""
    (a,) = await reg("a")
    (await a.post("/v1/auth/logout")).ok()
    (await me(a)).is_error(401, "TOKEN_REVOKED")
    (await a.post("/v1/auth/logout")).is_error(401, "TOKEN_REVOKED")
    (await refresh(a.url, a.refresh)).is_error(401, "INVALID_TOKEN")
    (await login(a)).ok()


async def test_a15_sessions_are_listed_and_ended(reg: Register) -> None:
    """Four devices; the second and then all others are ended from the first."""
    (a,) = await reg("a")
    second, third, fourth = [await a.login(device_name=f"Phone {n}") for n in range(3)]
    rows = (await a.get("/v1/auth/sessions")).ok()["sessions"]
    assert {row["session_id"] for row in rows} == {person.session_id for person in (a, second, third, fourth)}
    assert [row["session_id"] for row in rows if row["current"]] == [a.session_id]
    assert {row["device_name"] for row in rows} == {None, "Phone 0", "Phone 1", "Phone 2"}
    assert all(row["ip"] == "127.0.0.1" and "httpx" in row["user_agent"] for row in rows)
    assert all(row["created_at"] <= row["last_used_at"] for row in rows)

    (await a.delete(f"/v1/auth/sessions/{second.session_id}")).ok()

    async def refused() -> bool:
        return (await me(second)).status == 401

    await eventually(refused, 5)
    (await me(second)).is_error(401, "TOKEN_REVOKED")
    (await a.delete(f"/v1/auth/sessions/{second.session_id}")).is_error(404, "NOT_FOUND")
    assert (await a.delete("/v1/auth/sessions")).ok() == {"revoked": 2}
    rows = (await a.get("/v1/auth/sessions")).ok()["sessions"]
    assert [row["session_id"] for row in rows] == [a.session_id]
    for person in (third, fourth):
        (await refresh(a.url, person.refresh)).is_error(401, "INVALID_TOKEN")
    (await a.delete(f"/v1/auth/sessions/{NIL}")).is_error(404, "NOT_FOUND")
    (await a.delete(f"/v1/auth/sessions/{a.session_id}")).ok()
    (await me(a)).is_error(401, "TOKEN_REVOKED")


async def test_a16_nobody_ends_a_strangers_session(reg: Register) -> None:
    """B names A's session: not found, and A goes on."""
    a, b = await reg("a", "b")
    (await b.delete(f"/v1/auth/sessions/{a.session_id}")).is_error(404, "NOT_FOUND")
    answer = await b.post("/v1/auth/logout", headers={"x-session-id": a.session_id})
    answer.is_error(404, "NOT_FOUND")
    (await b.post("/v1/auth/logout", {"session_id": a.session_id})).is_error(404, "NOT_FOUND")
    answer = await b.post("/v1/auth/logout", headers={"x-session-id": "x"})
    answer.is_error(400, "VALIDATION_ERROR")
    (await me(a)).ok()
    (await me(b)).ok()
    # One's own other session can be named.
    other = await b.login()
    (await b.post("/v1/auth/logout", headers={"x-session-id": other.session_id})).ok()
    (await me(other)).is_error(401, "TOKEN_REVOKED")
    (await me(b)).ok()
