"""Whom a bot token belongs to: at once here, in time elsewhere, never after it ended."""

from pathlib import Path
from typing import Any

from sqlalchemy import select

from secureconnect.features.bots.rules import BotLimits
from secureconnect.features.bots.store import bot_tokens
from secureconnect.kit.errors import ErrorCode
from tests.unit.bots.world import CACHED, CONTEXT, World, person, world
from tests.unit.conversations.world import refusal


async def last_used(w: World, bot_id: str) -> int | None:
    """When the bot's token was used last, as stored."""
    query = select(bot_tokens.c.last_used_at).where(
        bot_tokens.c.bot_id == bot_id, bot_tokens.c.revoked_at.is_(None)
    )
    return await w.around.database.read(lambda conn: conn.execute(query).scalar_one())


async def test_a_token_says_who_and_what(w: World) -> None:
    (owner,) = await w.around.people("a")
    bot_id, token = await w.bot(owner, "messages:read", "messages:write", "messages:read")
    assert (token[:4], len(token)) == ("scb_", 47)
    caller = await w.access.authenticate(token)
    assert (caller.user_id, caller.kind, caller.role) == (bot_id, "bot", "user")
    assert caller.scopes == {"messages:read", "messages:write"}
    assert (await w.access.authenticate(token)).session_id == caller.session_id
    stored = await w.around.database.read(lambda conn: conn.execute(select(bot_tokens)).all())
    assert token[4:] not in str(stored)


async def test_unknown_tokens_are_refused(w: World) -> None:
    (owner,) = await w.around.people("a")
    _, token = await w.bot(owner)
    for wrong in ("scb_", token[:-1], token + "x", token.swapcase(), "scb_\udce4"):
        assert await w.refused(wrong) is ErrorCode.UNAUTHORIZED


async def test_a_rotated_token_stops_at_once(w: World) -> None:
    (owner,) = await w.around.people("a")
    bot_id, old = await w.bot(owner, "messages:read")
    before = await w.access.authenticate(old)
    new = await w.bots.rotate(person(owner), CONTEXT, bot_id)
    assert await w.refused(old) is ErrorCode.TOKEN_REVOKED
    after = await w.access.authenticate(new)
    assert (after.user_id, after.scopes) == (before.user_id, before.scopes)
    assert after.session_id != before.session_id
    assert w.ended == [(before.session_id, 4003)]


async def test_a_process_that_heard_nothing_finds_out_in_time(w: World) -> None:
    (owner,) = await w.around.people("a")
    bot_id, old = await w.bot(owner)
    deaf = w.entrance()
    await deaf.authenticate(old)
    await w.bots.rotate(person(owner), CONTEXT, bot_id)
    await deaf.authenticate(old)
    w.around.clock.seconds += CACHED
    assert await refusal(deaf.authenticate(old)) == "TOKEN_REVOKED"


async def test_a_deleted_bot_stops_at_once_and_keeps_its_name(w: World) -> None:
    (owner,) = await w.around.people("a")
    bot_id, token = await w.bot(owner)
    await w.access.authenticate(token)
    await w.bots.delete(person(owner), CONTEXT, bot_id)
    assert await w.refused(token) is ErrorCode.TOKEN_REVOKED
    record = await w.around.users.get(bot_id)
    assert record is not None
    assert (record.is_bot, record.state) == (True, "deleted")
    assert await refusal(w.bots.delete(person(owner), CONTEXT, bot_id)) == "NOT_FOUND"
    taken: dict[str, Any] = {"username": record.username, "display_name": "R", "scopes": ["users:read"]}
    assert await refusal(w.bots.create(person(owner), CONTEXT, **taken)) == "CONFLICT"


async def test_other_scopes_count_at_once_and_close_sockets_that_may_come_back(w: World) -> None:
    (owner,) = await w.around.people("a")
    bot_id, token = await w.bot(owner, "messages:read")
    before = await w.access.authenticate(token)
    change: dict[str, Any] = {"display_name": None, "scopes": ["messages:read", "messages:read"]}
    await w.bots.update(person(owner), CONTEXT, bot_id, **change)
    assert w.ended == []
    await w.bots.update(person(owner), CONTEXT, bot_id, display_name=None, scopes=["users:read"])
    after = await w.access.authenticate(token)
    assert after.scopes == {"users:read"}
    assert after.session_id != before.session_id
    assert w.ended == [(before.session_id, 4500)]


async def test_bots_of_banned_and_deleted_owners_are_refused(w: World) -> None:
    (owner, other) = await w.around.people("a", "b")
    bot_id, token = await w.bot(owner)
    _, foreign = await w.bot(other)
    session = (await w.access.authenticate(token)).session_id
    await w.ban(owner)
    assert await w.refused(token) is ErrorCode.TOKEN_REVOKED
    assert w.ended == [(session, 4004)]
    await w.access.authenticate(foreign)
    await w.pardon(owner)
    assert (await w.access.authenticate(token)).session_id != session
    await w.ban(bot_id)
    assert await w.refused(token) is ErrorCode.TOKEN_REVOKED
    await w.pardon(bot_id)
    await w.access.authenticate(token)
    await w.around.gone(owner)
    w.around.clock.seconds += CACHED
    assert await w.refused(token) is ErrorCode.TOKEN_REVOKED


async def test_the_bots_of_an_erased_owner_are_gone(w: World) -> None:
    (owner, other) = await w.around.people("a", "b")
    made = [await w.bot(owner) for _ in range(3)]
    _, foreign = await w.bot(other)
    for _, token in made:
        await w.access.authenticate(token)
    assert await w.around.database.write(lambda tx: w.bots.retire_owned_in(tx, owner)) == 3
    for bot_id, token in made:
        assert await w.refused(token) is ErrorCode.TOKEN_REVOKED
        record = await w.around.users.get(bot_id)
        assert record is not None
        assert record.state == "deleted"
    await w.access.authenticate(foreign)
    assert await w.around.database.write(lambda tx: w.bots.retire_owned_in(tx, owner)) == 0


async def test_a_server_without_bots_lets_none_in(tmp_path: Path) -> None:
    async with world(tmp_path, BotLimits(enabled=False)) as w:
        (owner,) = await w.around.people("a")
        wanted: dict[str, Any] = {"username": "echo_bot", "display_name": "R", "scopes": ["users:read"]}
        assert await refusal(w.bots.create(person(owner), CONTEXT, **wanted)) == "FEATURE_DISABLED"
        _, token = await World(w.around, BotLimits()).bot(owner)
        assert await w.refused(token) is ErrorCode.FEATURE_DISABLED
        assert await w.refused("scb_x") is ErrorCode.UNAUTHORIZED


async def test_use_is_noted_once_a_minute(w: World) -> None:
    (owner,) = await w.around.people("a")
    bot_id, token = await w.bot(owner)
    assert await last_used(w, bot_id) is None
    await w.access.authenticate(token)
    first = await last_used(w, bot_id)
    assert first is not None
    for _ in range(3):
        w.around.clock.seconds += CACHED
        await w.access.authenticate(token)
    assert await last_used(w, bot_id) == first
    w.around.clock.at += 60_000
    w.around.clock.seconds += CACHED
    await w.access.authenticate(token)
    assert await last_used(w, bot_id) > first  # type: ignore[operator]
    await w.bots.rotate(person(owner), CONTEXT, bot_id)
    assert await last_used(w, bot_id) is not None


async def test_the_holder_of_a_ticket_is_asked_for_again(w: World) -> None:
    (owner,) = await w.around.people("a")
    bot_id, token = await w.bot(owner)
    caller = await w.access.authenticate(token)

    async def found(of: str, token_id: str) -> bool:
        principal = await w.around.database.read(lambda conn: w.access.principal_in(conn, of, token_id))
        return principal == caller

    assert await found(bot_id, caller.session_id)
    assert not await found(bot_id, "elsewhere")
    assert not await found(owner, caller.session_id)
    await w.ban(owner)
    assert not await found(bot_id, (await w.bots.get(owner, bot_id)).token.token_id)
