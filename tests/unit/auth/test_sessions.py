"""Refresh tokens, tickets, and how many sessions there are."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from secureconnect.features.sessions import store
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.auth.world import HERE, World, world

ELSEWHERE = "11111111-1111-4111-8111-111111111111"


async def refused(w: World, token: str) -> ErrorCode:
    with pytest.raises(ApiError) as caught:
        await w.sessions.refresh(token, HERE)
    return caught.value.code


async def test_a_refresh_token_lives_thirty_days_from_its_last_rotation(w: World) -> None:
    _, tokens = await w.join("ann")
    for _ in range(3):
        w.clock.move(days=29)
        tokens = await w.sessions.refresh(tokens.refresh_token, HERE)
    w.clock.move(days=30)
    assert await refused(w, tokens.refresh_token) is ErrorCode.INVALID_TOKEN


async def test_reuse_ends_the_session_however_old_the_token_is(w: World) -> None:
    _, first = await w.join("ann")
    second = await w.sessions.refresh(first.refresh_token, HERE)
    third = await w.sessions.refresh(second.refresh_token, HERE)
    assert await refused(w, first.refresh_token) is ErrorCode.TOKEN_REUSED
    assert await refused(w, third.refresh_token) is ErrorCode.INVALID_TOKEN
    assert await refused(w, first.refresh_token) is ErrorCode.INVALID_TOKEN
    assert w.counts["reused"] == 1
    assert (w.counts["refresh ok"], w.counts["refresh reused"], w.counts["refresh invalid"]) == (2, 1, 2)
    assert len(w.events("refresh_reuse_detected")) == 1
    assert len(w.events("refresh_invalid")) == 2


@pytest.mark.parametrize("token", ["", "x", "\ud800", "é" * 2000, "null"])
async def test_what_is_no_refresh_token_is_refused(w: World, token: str) -> None:
    assert await refused(w, token) is ErrorCode.INVALID_TOKEN


async def test_the_longest_unused_session_gives_way(tmp_path: Path) -> None:
    async with world(tmp_path, max_sessions=3) as w:
        _, first = await w.join("ann")
        w.clock.move(minutes=1)
        second = await w.enter("ann")
        w.clock.move(minutes=1)
        third = await w.enter("ann")
        w.clock.move(minutes=1)
        first = await w.sessions.refresh(first.refresh_token, HERE)  # now the second is the longest unused
        w.clock.move(minutes=1)
        fourth = await w.enter("ann")
        caller = await w.access.authenticate(fourth.access_token)
        live = await w.sessions.page(caller, after=None, limit=10)
        assert {row.session_id for row in live.items} == {one.session_id for one in (first, third, fourth)}
        assert await refused(w, second.refresh_token) is ErrorCode.INVALID_TOKEN
        assert w.counts["revoked expired"] == 1


async def test_a_ticket_is_good_once_for_thirty_seconds_and_its_purpose(w: World) -> None:
    _, tokens = await w.join("ann")
    caller = await w.access.authenticate(tokens.access_token)

    async def redeem(ticket: str, conversation_id: str | None = None, purpose: str = "chat") -> None:
        principal = await w.tickets.redeem(ticket, purpose, conversation_id)
        assert (principal.user_id, principal.session_id) == (caller.user_id, caller.session_id)

    async def useless(ticket: str, conversation_id: str | None = None, purpose: str = "chat") -> None:
        with pytest.raises(ApiError) as caught:
            await redeem(ticket, conversation_id, purpose)
        assert caught.value.code is ErrorCode.UNAUTHORIZED

    ticket = await w.tickets.issue(caller, None)
    await redeem(ticket)
    await useless(ticket)
    await useless(await w.tickets.issue(caller, ELSEWHERE))
    await useless(await w.tickets.issue(caller, None), ELSEWHERE)
    await useless(await w.tickets.issue(caller, None), purpose="signaling")
    await redeem(await w.tickets.issue(caller, ELSEWHERE), ELSEWHERE)
    ticket = await w.tickets.issue(caller, None)
    w.clock.move(seconds=29.9)
    await redeem(ticket)
    ticket = await w.tickets.issue(caller, None)
    w.clock.move(seconds=30)
    await useless(ticket)
    ticket = await w.tickets.issue(caller, None)
    await w.sessions.end(caller, HERE, caller.session_id, "logout")
    await useless(ticket)


async def test_what_expired_long_ago_is_forgotten(w: World) -> None:
    """A session that goes on for a year does not drag all its used refresh tokens along."""
    _, tokens = await w.join("ann")
    await w.join("ben")
    caller = await w.access.authenticate(tokens.access_token)
    await w.tickets.issue(caller, None)

    async def count() -> tuple[int, int, int]:
        return await w.database.read(
            lambda conn: (
                conn.execute(select(func.count()).select_from(store.sessions)).scalar_one(),
                conn.execute(select(func.count()).select_from(store.refresh_tokens)).scalar_one(),
                conn.execute(select(func.count()).select_from(store.one_time_tokens)).scalar_one(),
            )
        )

    w.clock.move(days=1)
    assert await w.sessions.purge() == 0
    w.clock.move(minutes=1)
    assert await w.sessions.purge() == 1
    for _ in range(12):
        w.clock.move(days=20)
        tokens = await w.sessions.refresh(tokens.refresh_token, HERE)
        await w.sessions.purge()
    sessions, refresh_tokens, tickets = await count()
    assert (sessions, tickets) == (1, 0)
    assert refresh_tokens <= 5
    # What is kept still tells reuse from nonsense.
    used = tokens.refresh_token
    await w.sessions.refresh(used, HERE)
    assert await refused(w, used) is ErrorCode.TOKEN_REUSED


async def test_active_users_are_counted_once_each(w: World) -> None:
    _, tokens = await w.join("ann")
    await w.enter("ann")
    await w.join("bob")
    w.clock.move(minutes=10)
    since = w.clock.now()
    assert await w.database.read(lambda conn: w.sessions.active_users_in(conn, since - 600_000)) == 2
    assert await w.database.read(lambda conn: w.sessions.active_users_in(conn, since)) == 0
    await w.sessions.refresh(tokens.refresh_token, HERE)
    assert await w.database.read(lambda conn: w.sessions.active_users_in(conn, since)) == 1
