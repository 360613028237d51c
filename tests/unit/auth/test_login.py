"""Logins while something else happens to the account."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher as Argon2
from sqlalchemy import update

from secureconnect.features.users.store import users
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.auth.world import HERE, PASSWORD, World

WRONG = "Wrong-Words-12"
NEW = "New-Violet-77-Lamp"


async def code(w: World, password: str = PASSWORD) -> ErrorCode | None:
    try:
        await w.enter("ann", password)
    except ApiError as error:
        return error.code
    return None


async def test_guesses_in_parallel_are_no_more_than_guesses_in_a_row(w: World) -> None:
    await w.join("ann")
    outcomes = await asyncio.gather(*(code(w, WRONG) for _ in range(12)))
    assert outcomes.count(ErrorCode.INVALID_CREDENTIALS) == 5
    assert outcomes.count(ErrorCode.ACCOUNT_LOCKED) == 7
    assert w.counts["locked"] == 1
    assert len(w.events("login_failed")) == 5


async def test_the_right_password_is_refused_when_the_lock_came_meanwhile(w: World) -> None:
    await w.join("ann")

    async def guesses() -> AsyncIterator[None]:
        for _ in range(5):
            await code(w, WRONG)
            yield

    w.hasher.meanwhile.append(guesses())
    assert await code(w) is ErrorCode.ACCOUNT_LOCKED
    assert w.events("login_success") == []


async def test_a_password_changed_meanwhile_opens_nothing(w: World) -> None:
    record, tokens = await w.join("ann")
    caller = await w.access.authenticate(tokens.access_token)

    async def change() -> AsyncIterator[None]:
        await w.accounts.change_password(caller, HERE, PASSWORD, NEW)
        yield

    w.hasher.meanwhile.append(change())
    assert await code(w) is ErrorCode.INVALID_CREDENTIALS
    live = await w.sessions.page(caller, after=None, limit=10)
    assert [row.session_id for row in live.items] == [tokens.session_id]
    await w.enter("ann", NEW)
    assert record.user_id == caller.user_id


async def test_an_account_deleted_meanwhile_opens_nothing(w: World) -> None:
    record, _ = await w.join("ann")

    async def delete() -> AsyncIterator[None]:
        def work(tx: WriteTx) -> None:
            tx.conn.execute(update(users).where(users.c.user_id == record.user_id).values(state="deleted"))

        await w.database.write(work)
        yield

    w.hasher.meanwhile.append(delete())
    assert await code(w) is ErrorCode.INVALID_CREDENTIALS
    assert await code(w) is ErrorCode.INVALID_CREDENTIALS


async def test_step_up_fails_when_the_password_changed_meanwhile(w: World) -> None:
    _, tokens = await w.join("ann")
    caller = await w.access.authenticate(tokens.access_token)

    async def change() -> AsyncIterator[None]:
        await w.accounts.change_password(caller, HERE, PASSWORD, NEW)
        yield

    w.hasher.meanwhile.append(change())
    with pytest.raises(ApiError) as caught:
        await w.login.reauthenticate(caller, HERE, PASSWORD)
    assert caught.value.code is ErrorCode.INVALID_CREDENTIALS


async def test_an_outdated_hash_is_replaced_at_login(w: World) -> None:
    record, _ = await w.join("ann")
    old = Argon2(time_cost=1, memory_cost=16, parallelism=1).hash(PASSWORD)

    def weaken(tx: WriteTx) -> None:
        w.users.set_password_in(tx, record.user_id, old, 0)

    await w.database.write(weaken)
    await w.enter("ann")
    stored = await w.database.read(lambda conn: w.users.password_hash_in(conn, record.user_id))
    assert stored is not None
    assert stored != old
    assert not w.hasher.outdated(stored)
    await w.enter("ann")


async def test_attempts_are_counted_by_outcome(w: World) -> None:
    await w.join("ann")
    await w.enter("ann")
    await code(w, WRONG)
    assert w.counts["password ok"] == 1
    assert w.counts["password invalid"] == 1
    (entry,) = w.events("login_failed")
    assert (entry.result, entry.context) == ("failure", HERE)
    assert WRONG not in str(entry.details)
