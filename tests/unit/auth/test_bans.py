"""Banned users and the right password."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from secureconnect.features.users.api import Ban
from secureconnect.features.users.service import AccountRegistry
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_id
from tests.unit.auth.world import PASSWORD, World

REASON = "Sent spam to everybody."


async def ban(w: World, user_id: str, until: int | None) -> None:
    """Bans the user and ends its sessions."""
    accounts = AccountRegistry(w.database, w.users, w.clock)
    now = w.clock.now()

    def work(tx: object) -> None:
        accounts.ban_in(tx, Ban(new_id(), user_id, new_id(), REASON, now, until))  # type: ignore[arg-type]
        w.sessions.revoke_all_in(tx, user_id, "ban", now=now)  # type: ignore[arg-type]

    await w.database.write(work)


async def refused(w: World, password: str = PASSWORD) -> ApiError:
    with pytest.raises(ApiError) as error:
        await w.enter("ann", password)
    return error.value


async def test_only_the_right_password_hears_of_the_ban(w: World) -> None:
    record, _ = await w.join("ann")
    until = w.clock.now() + 60_000
    await ban(w, record.user_id, until)
    assert (await refused(w, "Wrong-Words-12")).code is ErrorCode.INVALID_CREDENTIALS
    told = await refused(w)
    assert told.code is ErrorCode.ACCOUNT_BANNED
    assert [(detail.field, detail.message) for detail in told.details] == [
        ("reason", REASON),
        ("banned_until", rfc3339(until)),
    ]
    failure = w.events("login_failed")[-1]
    assert (failure.actor_id, failure.result, failure.reason) == (record.user_id, "failure", "banned")
    assert len(w.events("login_success")) == 0


async def test_a_ban_for_good_names_no_end(w: World) -> None:
    record, _ = await w.join("ann")
    await ban(w, record.user_id, None)
    assert [detail.field for detail in (await refused(w)).details] == ["reason"]


async def test_a_ban_ends_with_its_time(w: World) -> None:
    record, _ = await w.join("ann")
    await ban(w, record.user_id, w.clock.now() + 60_000)
    w.clock.move(seconds=59)
    assert (await refused(w)).code is ErrorCode.ACCOUNT_BANNED
    w.clock.move(seconds=1)
    await w.enter("ann")


async def test_a_ban_that_comes_while_the_password_is_checked_counts(w: World) -> None:
    record, tokens = await w.join("ann")

    async def meanwhile() -> AsyncIterator[None]:
        await ban(w, record.user_id, None)
        yield

    w.hasher.meanwhile.append(meanwhile())
    assert (await refused(w)).code is ErrorCode.ACCOUNT_BANNED
    with pytest.raises(ApiError) as dead:
        await w.access.authenticate(tokens.access_token)
    assert dead.value.code is ErrorCode.TOKEN_REVOKED


async def test_right_passwords_of_banned_users_lock_nobody(w: World) -> None:
    record, _ = await w.join("ann")
    await ban(w, record.user_id, w.clock.now() + 60_000)
    outcomes = await asyncio.gather(*(refused(w) for _ in range(7)))
    assert {outcome.code for outcome in outcomes} == {ErrorCode.ACCOUNT_BANNED}
    w.clock.move(seconds=60)
    await w.enter("ann")


async def test_the_operator_promotes_nobody_who_cannot_log_in(w: World) -> None:
    record, _ = await w.join("ann")

    async def promote() -> bool:
        return await w.accounts.ensure_admin(email=record.email, username="x", password=PASSWORD)

    await ban(w, record.user_id, w.clock.now() + 60_000)
    with pytest.raises(ApiError) as refusal:
        await promote()
    assert refusal.value.code is ErrorCode.CONFLICT
    w.clock.move(seconds=60)
    accounts = AccountRegistry(w.database, w.users, w.clock)
    await w.database.write(lambda tx: accounts.delete_in(tx, record.user_id, 1, w.clock.now()))
    with pytest.raises(ApiError):
        await promote()
    await w.database.write(lambda tx: accounts.restore_in(tx, record.user_id, w.clock.now()))
    assert await promote() is False
    found = await w.users.get(record.user_id)
    assert found is not None
    assert found.role == "admin"
