"""Who a bearer token belongs to: every claim, the clock, and sessions that end."""

import base64
import json
from typing import Any

import jwt
import pytest
from sqlalchemy import update

from secureconnect.features.sessions.service.access import AUDIENCE
from secureconnect.features.sessions.store import sessions
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.principal import Principal
from tests.unit.auth.world import ACCESS_TTL, HERE, ISSUER, World


async def claims(w: World) -> dict[str, Any]:
    """What the product writes into a token of a living session."""
    _, tokens = await w.join("ann")
    decoded: dict[str, Any] = jwt.decode(tokens.access_token, options={"verify_signature": False})
    return decoded


async def refused(w: World, token: str) -> ErrorCode:
    with pytest.raises(ApiError) as caught:
        await w.access.authenticate(token)
    return caught.value.code


async def test_the_documented_claims_are_signed(w: World) -> None:
    written = await claims(w)
    assert set(written) == {"sub", "sid", "jti", "role", "aud", "iss", "iat", "nbf", "exp"}
    assert (written["aud"], written["iss"]) == (AUDIENCE, ISSUER)
    assert written["exp"] == written["iat"] + ACCESS_TTL
    caller = await w.access.authenticate(w.keyring.sign(written))
    assert (caller.user_id, caller.session_id, caller.jti) == (written["sub"], written["sid"], written["jti"])
    assert (caller.role, caller.expires_at) == ("user", written["exp"] * 1000)


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "secureconnect"},
        {"aud": ["elsewhere"]},
        {"iss": "elsewhere"},
        {"sid": "00000000-0000-4000-8000-000000000000"},
        {"sub": "00000000-0000-4000-8000-000000000000"},
        {"exp": "soon"},
        {"nbf": None},
        {"exp": [1]},
    ],
)
async def test_rightly_signed_tokens_of_other_purpose_are_refused(w: World, change: dict[str, Any]) -> None:
    token = w.keyring.sign({**await claims(w), **change})
    assert await refused(w, token) is ErrorCode.UNAUTHORIZED


@pytest.mark.parametrize("name", ["sub", "sid", "jti", "role", "aud", "iss", "iat", "nbf", "exp"])
async def test_every_claim_is_needed(w: World, name: str) -> None:
    written = await claims(w)
    del written[name]
    assert await refused(w, w.keyring.sign(written)) is ErrorCode.UNAUTHORIZED


async def test_roles_are_two(w: World) -> None:
    caller = await w.access.authenticate(w.keyring.sign({**await claims(w), "role": "owner"}))
    assert caller.role == "user"


async def test_expiry_has_five_seconds_of_leeway(w: World) -> None:
    token = w.keyring.sign(await claims(w))
    w.clock.move(seconds=ACCESS_TTL + 4.9)
    await w.access.authenticate(token)
    w.clock.move(seconds=0.1)
    assert await refused(w, token) is ErrorCode.TOKEN_EXPIRED
    assert await refused(w, token) is ErrorCode.TOKEN_EXPIRED


async def test_a_token_is_not_good_before_its_time(w: World) -> None:
    written = await claims(w)
    soon = {**written, "nbf": written["nbf"] + 5}
    await w.access.authenticate(w.keyring.sign(soon))
    later = {**written, "nbf": written["nbf"] + 6}
    assert await refused(w, w.keyring.sign(later)) is ErrorCode.UNAUTHORIZED


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "..",
        "eyJhbGciOiJub25lIn0.e30.",
        "é.é.é",
        "\ud800",
        "x" * 100_000,
        "null",
        "e30.e30.e30",
    ],
)
async def test_what_is_no_token_is_refused(w: World, token: str) -> None:
    assert await refused(w, token) is ErrorCode.UNAUTHORIZED


@pytest.mark.parametrize("alg", ["none", "HS256", "ES256", "RS256", "eddsa", 5, None])
async def test_other_algorithms_are_refused_whatever_they_sign_with(w: World, alg: Any) -> None:
    header, payload, signature = w.keyring.sign(await claims(w)).split(".")
    kid = jwt.get_unverified_header(f"{header}.{payload}.{signature}")["kid"]
    changed = json.dumps({"alg": alg, "kid": kid, "typ": "JWT"}).encode()
    header = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
    assert await refused(w, f"{header}.{payload}.{signature}") is ErrorCode.UNAUTHORIZED
    assert await refused(w, f"{header}.{payload}.") is ErrorCode.UNAUTHORIZED


async def test_a_revocation_here_takes_effect_at_once(w: World) -> None:
    _, tokens = await w.join("ann")
    caller = await w.access.authenticate(tokens.access_token)
    await w.sessions.end(caller, HERE, caller.session_id, "logout")
    assert await refused(w, tokens.access_token) is ErrorCode.TOKEN_REVOKED


async def test_a_revocation_elsewhere_takes_effect_within_the_cache_time(w: World) -> None:
    _, tokens = await w.join("ann")
    caller = await w.access.authenticate(tokens.access_token)

    def revoke(tx: WriteTx) -> None:
        chosen = sessions.c.session_id == caller.session_id
        tx.conn.execute(update(sessions).where(chosen).values(revoked_at=w.clock.now()))

    await w.database.write(revoke)
    w.clock.move(seconds=4.9)
    await w.access.authenticate(tokens.access_token)
    w.clock.move(seconds=0.1)
    assert await refused(w, tokens.access_token) is ErrorCode.TOKEN_REVOKED


async def test_when_nobody_can_say_nobody_gets_in(w: World) -> None:
    _, tokens = await w.join("ann")
    await w.access.authenticate(tokens.access_token)
    await w.database.close()
    w.clock.move(seconds=5)
    with pytest.raises(ApiError) as caught:
        await w.access.authenticate(tokens.access_token)
    assert caught.value.code.status == 503


async def test_the_admin_role_is_read_at_every_request(w: World) -> None:
    record, tokens = await w.join("ann")
    caller = await w.access.authenticate(tokens.access_token)
    with pytest.raises(ApiError) as caught:
        await w.access.require_admin(caller)
    assert caught.value.code is ErrorCode.FORBIDDEN
    await w.database.write(lambda tx: w.users.set_role_in(tx, record.user_id, "admin", 0))
    await w.access.require_admin(caller)
    await w.database.write(lambda tx: w.users.set_role_in(tx, record.user_id, "user", 0))
    with pytest.raises(ApiError):
        await w.access.require_admin(Principal(caller.user_id, caller.session_id, caller.jti, "admin", 0))


async def test_freshness_lasts_fifteen_minutes(w: World) -> None:
    _, tokens = await w.join("ann")
    caller = await w.access.authenticate(tokens.access_token)
    w.clock.move(seconds=899.9)
    await w.access.require_fresh(caller)
    w.clock.move(seconds=0.1)
    with pytest.raises(ApiError) as caught:
        await w.access.require_fresh(caller)
    assert caught.value.code is ErrorCode.REAUTH_REQUIRED
    await w.login.reauthenticate(caller, HERE, "Violet-Kettle-42-Rain")
    await w.access.require_fresh(caller)
