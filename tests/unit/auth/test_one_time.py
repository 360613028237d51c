"""Single-use tokens: one purpose, one use, one lifetime."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from secureconnect.features.sessions.api import OneTimeToken, Purpose
from secureconnect.features.sessions.service import OneTime
from secureconnect.features.sessions.store import one_time_tokens
from tests.unit.auth.world import World


@pytest.fixture
def tokens(w: World) -> OneTime:
    return OneTime(w.clock)


async def issue(w: World, tokens: OneTime, purpose: Purpose = "mfa", **options: Any) -> str:
    options = {"user_id": "u", "seconds": 60, **options}
    return await w.database.write(lambda tx: tokens.issue_in(tx, purpose, "{}", **options))


def take(w: World, tokens: OneTime, token: str, purpose: Purpose = "mfa") -> Any:
    return w.database.write(lambda tx: tokens.take_in(tx, purpose, token))


def find(w: World, tokens: OneTime, token: str, purpose: Purpose = "mfa") -> Any:
    return w.database.read(lambda conn: tokens.find_in(conn, purpose, token))


async def test_a_token_is_taken_once(w: World, tokens: OneTime) -> None:
    token = await issue(w, tokens)
    assert len(token) == 43
    assert await find(w, tokens, token) == OneTimeToken("u", "{}", 0)
    taken = await asyncio.gather(*(take(w, tokens, token) for _ in range(5)))
    assert sorted(map(bool, taken)) == [False] * 4 + [True]
    assert await find(w, tokens, token) is None


async def test_only_its_hash_is_stored(w: World, tokens: OneTime) -> None:
    token = await issue(w, tokens)
    rows = await w.database.read(lambda conn: [tuple(row) for row in conn.execute(select(one_time_tokens))])
    assert token not in repr(rows)


@pytest.mark.parametrize("ask", [find, take])
async def test_a_token_serves_its_purpose_only(w: World, tokens: OneTime, ask: Callable[..., Any]) -> None:
    token = await issue(w, tokens)
    assert await ask(w, tokens, token, "password_reset") is None
    assert await ask(w, tokens, token[:-1]) is None
    assert await ask(w, tokens, token) is not None


@pytest.mark.parametrize("ask", [find, take])
async def test_a_token_ends_with_its_time(w: World, tokens: OneTime, ask: Callable[..., Any]) -> None:
    early, late = await issue(w, tokens), await issue(w, tokens)
    w.clock.move(seconds=59.999)
    assert await ask(w, tokens, early) is not None
    w.clock.move(seconds=0.001)
    assert await ask(w, tokens, late) is None


async def test_failures_are_counted_and_users_void_their_tokens(w: World, tokens: OneTime) -> None:
    mine, other = await issue(w, tokens), await issue(w, tokens, "webauthn", token="named")
    assert other == "named"
    theirs = await issue(w, tokens, user_id="v")
    await w.database.write(lambda tx: tokens.failed_in(tx, "mfa", mine))
    await w.database.write(lambda tx: tokens.failed_in(tx, "webauthn", theirs))
    assert (await find(w, tokens, mine)).attempts == 1
    assert (await find(w, tokens, theirs)).attempts == 0
    await w.database.write(lambda tx: tokens.void_in(tx, "mfa", "u"))
    assert await find(w, tokens, mine) is None
    assert await find(w, tokens, theirs) is not None
    assert await find(w, tokens, other, "webauthn") is not None
