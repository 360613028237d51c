"""Registration, login, passwords, keys: scenarios A1 to A8, A13, A20, A23 to A25. Mail comes later."""

import secrets
import statistics
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from tests.scenarios.accounts import Claims, body_of, keys, login, me, post, refresh
from tests.scenarios.audit import audited
from tests.scenarios.commands import make_admin
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server
from tests.scenarios.steps import NIL, PASSWORD, Answer, group, register, stranger


@pytest.fixture(scope="module")
def _guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(
        tmp_path_factory.mktemp("guarded") / "data",
        server={"trusted_proxies": "127.0.0.0/8"},
        auth={"lockout_account_failures": 10_000},
    )
    server.launch()
    yield server
    server.clean()


@pytest.fixture
async def guarded(_guarded: Server) -> Server:
    """A server that believes the test what its address is; its keys may be rotated."""
    await _guarded.ready()
    return _guarded


@pytest.fixture(scope="module")
def _hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(
        tmp_path_factory.mktemp("hasty") / "data",
        auth={"access_ttl": 2, "lockout_duration": 2, "reauth_max_age": 1},
    )
    server.launch()
    yield server
    server.clean()


@pytest.fixture
async def hasty(_hasty: Server) -> Server:
    """A server on which everything expires soon."""
    await _hasty.ready()
    return _hasty


async def test_a1_register(reg: Register) -> None:
    """A new account comes with a session, and nothing of the password."""
    person = stranger((await reg("a"))[0].url, "a")
    answer = await post(person.url, "/v1/auth/register", body_of(person, device_name="Phone"))
    data = answer.ok(201)
    assert {name: data["user"][name] for name in ("email", "username", "display_name", "role")} == {
        "email": person.email,
        "username": person.username,
        "display_name": "A",
        "role": "user",
    }
    assert set(data) == {"user", "access_token", "refresh_token", "token_type", "expires_in", "session_id"}
    assert (data["token_type"], data["expires_in"]) == ("Bearer", 900)
    assert 43 <= len(data["refresh_token"]) <= 64
    assert b"password" not in answer.raw
    assert PASSWORD.encode() not in answer.raw
    person.take(data)
    assert (await me(person)).ok() == data["user"]
    profile = (await person.get("/v1/auth/profile")).ok()
    assert (profile["email"], profile["role"]) == (person.email, "user")
    assert (profile["user_id"], profile["session_id"]) == (data["user"]["user_id"], person.session_id)


async def test_a2_access_tokens_are_signed(reg: Register) -> None:
    """EdDSA with a published key; exactly the documented claims."""
    (a,) = await reg("a")
    header = jwt.get_unverified_header(a.access)
    assert header["alg"] == "EdDSA"
    (key,) = [key for key in await keys(a.url) if key["kid"] == header["kid"]]
    claims: Claims = jwt.decode(
        a.access,
        jwt.PyJWK(key).key,
        algorithms=["EdDSA"],
        audience="secureconnect-api",
        issuer="secureconnect-auth",
    )
    assert set(claims) == {"sub", "sid", "jti", "role", "aud", "iss", "iat", "nbf", "exp"}
    assert (claims["sub"], claims["sid"], claims["role"]) == (a.user_id, a.session_id, "user")
    assert claims["exp"] == claims["iat"] + 900
    assert abs(claims["iat"] - time.time()) < 60


async def test_a3_addresses_and_names_are_taken_in_any_case(reg: Register) -> None:
    """The same e-mail or username in upper case: 409 that names the field, or both."""
    (a,) = await reg("a")
    other = stranger(a.url, "b")
    for fields, taken in (
        ({"email": a.email.upper()}, ["email"]),
        ({"username": a.username.upper()}, ["username"]),
        ({"email": a.email, "username": a.username}, ["email", "username"]),
    ):
        answer = await post(a.url, "/v1/auth/register", body_of(other, **fields))
        answer.is_error(409, "CONFLICT")
        assert answer.fields == taken


async def test_a4_passwords(server: Server) -> None:
    """Common, telling, short and endless ones are refused; long and unusual ones work."""
    person = stranger(server.url, "a")
    for weak in ("password1234", f"{person.username}-Secret9", "Short-7", "x" * 1025):
        answer = await post(server.url, "/v1/auth/register", body_of(person, password=weak))
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == ["password"]
        assert weak.encode() not in answer.raw
    for good in (secrets.token_hex(512), "ünïcødé pass ✓ long"):
        person = stranger(server.url, "a")
        person.password = good
        await register(person)
        (await login(person)).ok()
    # The same letters composed differently are the same password.
    (await login(person, "u\u0308ni\u0308cødé pass ✓ long")).ok()


async def test_a5_login(reg: Register) -> None:
    """By e-mail or by username, in any case; each login is a session of its own."""
    (a,) = await reg("a")
    sessions = {a.session_id}
    for name in ({"email": a.email}, {"email": a.email.upper()}, {"username": a.username}):
        data = (await post(a.url, "/v1/auth/login", {**name, "password": a.password})).ok()
        assert data["user"]["user_id"] == a.user_id
        (await me(a, data["access_token"])).ok()
        sessions.add(data["session_id"])
    assert len(sessions) == 4
    answer = await post(
        a.url, "/v1/auth/login", {"email": a.email, "username": a.username, "password": a.password}
    )
    answer.is_error(400, "VALIDATION_ERROR")


async def test_a6_unknown_and_wrong_look_alike(guarded: Server, reg: Register) -> None:
    """A wrong password and an unknown address: the same words after the same time."""
    (a,) = await reg("a", url=guarded.url)
    answers: dict[str, Answer] = {}
    times: dict[str, list[float]] = {a.email: [], stranger(guarded.url, "x").email: []}

    async with httpx.AsyncClient(base_url=guarded.url, verify=False) as client:

        async def attempt(email: str) -> float:
            # Each from another address, so that nothing is locked.
            address = f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
            body = {"email": email, "password": "Wrong-Words-12"}
            started = time.perf_counter()
            response = await client.post("/v1/auth/login", json=body, headers={"x-forwarded-for": address})
            seconds = time.perf_counter() - started
            answers[email] = Answer(response.status_code, response.headers, response.content)
            return seconds

        def apart() -> float:
            known, unknown = map(statistics.median, times.values())
            return abs(known - unknown) / max(known, unknown)

        for email in times:
            await attempt(email)  # the first of each kind opens connections and fills caches
        # 30 of each, interleaved; a busy machine may need more before its noise cancels out.
        for count in range(1, 151):
            for email, taken in times.items():
                taken.append(await attempt(email))
            if count % 30 == 0 and apart() < 0.1:
                break
    assert apart() < 0.1, {email: statistics.median(taken) for email, taken in times.items()}
    for answer in answers.values():
        answer.is_error(401, "INVALID_CREDENTIALS")
    assert len({answer.error["message"] for answer in answers.values()}) == 1


async def test_a7_lockout(guarded: Server, reg: Register) -> None:
    """Five failures lock an identifier for one address, known or not; the owner elsewhere gets in."""
    admin = await make_admin(guarded)
    (a,) = await reg("a", url=guarded.url)
    here: dict[str, Any] = {"headers": {"x-forwarded-for": "198.51.100.7"}}
    for person in (a, stranger(guarded.url, "x")):
        for number in range(5):
            # E-mail and username count together where there is an account.
            name = (
                {"username": person.username.upper()}
                if number % 2 and person is a
                else {"email": person.email}
            )
            body = {**name, "password": "Wrong-Words-12"}
            answer = await post(guarded.url, "/v1/auth/login", body, **here)
            answer.is_error(401, "INVALID_CREDENTIALS")
        for _ in range(2):
            answer = await login(person, **here)
            answer.is_error(423, "ACCOUNT_LOCKED")
            assert 1 <= int(answer.headers["retry-after"]) <= 900
    (await login(a, headers={"x-forwarded-for": "203.0.113.9"})).ok()
    (await login(a, **here)).is_error(423, "ACCOUNT_LOCKED")
    record = await audited(admin, "account_locked", actor_id=a.user_id)
    assert record["ip"] == "198.51.100.7"


async def test_a8_a_lock_ends(hasty: Server, reg: Register) -> None:
    """After the duration the right password works, and counting starts anew."""
    (a,) = await reg("a", url=hasty.url)
    for _ in range(5):
        (await login(a, "Wrong-Words-12")).is_error(401, "INVALID_CREDENTIALS")
    answer = await login(a)
    answer.is_error(423, "ACCOUNT_LOCKED")
    assert 1 <= int(answer.headers["retry-after"]) <= 2

    async def unlocked() -> bool:
        return (await login(a)).status == 200

    await eventually(unlocked)
    for _ in range(4):
        (await login(a, "Wrong-Words-12")).is_error(401, "INVALID_CREDENTIALS")
    (await login(a)).ok()


async def test_a13_access_tokens_expire(hasty: Server, reg: Register) -> None:
    """Past exp and leeway: 401 TOKEN_EXPIRED; a refresh goes on."""
    (a,) = await reg("a", url=hasty.url)
    (await me(a)).ok()

    async def expired() -> bool:
        return (await me(a)).status != 200

    await eventually(expired)
    assert time.time() >= jwt.decode(a.access, options={"verify_signature": False})["exp"]
    answer = await me(a)
    answer.is_error(401, "TOKEN_EXPIRED")
    assert answer.headers["www-authenticate"] == "Bearer"
    a.take((await refresh(a.url, a.refresh)).ok())
    (await me(a)).ok()


async def test_a20_password_change(reg: Register) -> None:
    """The old password is asked for; other sessions end; only the new one logs in."""
    (a,) = await reg("a")
    other = await a.login()
    new = "New-Violet-77-Lamp"

    async def change(old_password: str, new_password: str) -> Answer:
        body = {"old_password": old_password, "new_password": new_password}
        return await a.post("/v1/users/me/password", body)

    (await change("Wrong-Words-12", new)).is_error(401, "INVALID_CREDENTIALS")
    for weak in ("password1234", a.password, f"x{a.username}x"):
        answer = await change(a.password, weak)
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == ["new_password"]
    (await me(other)).ok()
    (await change(a.password, new)).ok()
    (await me(a)).ok()
    (await me(other)).is_error(401, "TOKEN_REVOKED")
    (await login(a)).is_error(401, "INVALID_CREDENTIALS")
    (await login(a, new)).ok()


async def test_a20_guessing_the_old_password_locks(reg: Register) -> None:
    """Five wrong old passwords lock the account, as five wrong logins do."""
    (a,) = await reg("a")
    wrong = {"old_password": "Wrong-Words-12", "new_password": "New-Violet-77-Lamp"}
    for _ in range(5):
        (await a.post("/v1/users/me/password", wrong)).is_error(401, "INVALID_CREDENTIALS")
    right = {**wrong, "old_password": a.password}
    (await a.post("/v1/users/me/password", right)).is_error(423, "ACCOUNT_LOCKED")


async def test_a23_closed_registration(serve: Serve) -> None:
    """Nobody registers; who was made by the operator logs in."""
    async with serve(auth={"registration": "closed"}) as server:
        answer = await post(server.url, "/v1/auth/register", body_of(stranger(server.url, "a")))
        answer.is_error(403, "FEATURE_DISABLED")
        await make_admin(server)


async def test_a24_step_up(hasty: Server, reg: Register) -> None:
    """A fresh route asks again after a while; the password opens it."""
    a, b = await reg("a", "b", url=hasty.url)
    conversation = await group(a, [b])

    async def transfer() -> Answer:
        path = f"/v1/conversations/{conversation['conversation_id']}/transfer"
        return await a.post(path, {"user_id": b.user_id})

    async def stale() -> bool:
        (await a.get("/v1/auth/profile")).ok()
        shown = await a.post("/v1/conversations/" + NIL + "/transfer", {"user_id": b.user_id})
        return shown.status == 403

    await eventually(stale)
    (await transfer()).is_error(403, "REAUTH_REQUIRED")
    answer = await a.post("/v1/auth/reauthenticate", {"password": "Wrong-Words-12"})
    answer.is_error(401, "INVALID_CREDENTIALS")
    (await transfer()).is_error(403, "REAUTH_REQUIRED")

    async def stepped_up() -> bool:
        """On a busy machine the second may be over before the next request."""
        (await a.post("/v1/auth/reauthenticate", {"password": a.password})).ok()
        return (await transfer()).status == 200

    await eventually(stepped_up)


async def test_a25_key_rotation(guarded: Server, reg: Register) -> None:
    """After a rotation both keys are published: old tokens go on, new ones carry the new key."""
    admin = await make_admin(guarded)
    (a,) = await reg("a", url=guarded.url)
    (await a.post("/v1/admin/keys/rotate")).is_error(403, "FORBIDDEN")
    before = {key["kid"] for key in await keys(guarded.url)}
    rotated = (await admin.post("/v1/admin/keys/rotate")).ok()
    after = {key["kid"] for key in await keys(guarded.url)}
    assert after - before == {rotated["kid"]}
    assert before < after
    (await me(a)).ok()
    fresh = await a.login()
    assert jwt.get_unverified_header(fresh.access)["kid"] == rotated["kid"]
    assert jwt.get_unverified_header(a.access)["kid"] in before
    (await me(fresh)).ok()
    await audited(admin, "signing_key_rotated", actor_id=admin.user_id, target_id=rotated["kid"])
