"""What owners do with their bots."""

from pathlib import Path
from typing import Any

from secureconnect.features.bots.rules import BotLimits
from tests.unit.bots.world import CONTEXT, World, person, world
from tests.unit.conversations.world import refusal

_NEW: dict[str, Any] = {"username": "echo_bot", "display_name": "Echo", "scopes": ["messages:write"]}


async def test_only_its_owner_knows_a_bot(w: World) -> None:
    owner, other = await w.around.people("a", "b")
    bot_id, _ = await w.bot(owner)
    for action in (
        w.bots.get(other, bot_id),
        w.bots.update(person(other), CONTEXT, bot_id, display_name="X", scopes=None),
        w.bots.rotate(person(other), CONTEXT, bot_id),
        w.bots.delete(person(other), CONTEXT, bot_id),
        w.bots.get(owner, owner),
    ):
        assert await refusal(action) == "NOT_FOUND"
    assert (await w.bots.page(other, after=None, limit=10)).items == []
    assert [seen.user.user_id for seen in (await w.bots.page(owner, after=None, limit=10)).items] == [bot_id]


async def test_a_walk_meets_every_bot_once_newest_first(w: World) -> None:
    (owner,) = await w.around.people("a")
    made = [(await w.bot(owner))[0] for _ in range(5)]
    found: list[str] = []
    after: Any = None
    while True:
        page = await w.bots.page(owner, after=after, limit=2)
        found += [seen.user.user_id for seen in page.items]
        after = page.after
        if after is None:
            break
        if len(found) == 2:
            await w.bot(owner)  # newer ones do not move the walk
    assert found == made[::-1]


async def test_so_many_and_no_more(tmp_path: Path) -> None:
    async with world(tmp_path, BotLimits(max_per_user=2)) as w:
        (owner,) = await w.around.people("a")
        first, _ = await w.bot(owner)
        await w.bot(owner)
        assert await refusal(w.bots.create(person(owner), CONTEXT, **_NEW)) == "LIMIT_REACHED"
        await w.bots.delete(person(owner), CONTEXT, first)
        await w.bots.create(person(owner), CONTEXT, **_NEW)


async def test_names_are_unique_among_people_and_bots(w: World) -> None:
    (owner,) = await w.around.people("a")
    await w.bots.create(person(owner), CONTEXT, **_NEW)
    assert await refusal(w.bots.create(person(owner), CONTEXT, **{**_NEW, "username": "ECHO_bot"})) == (
        "CONFLICT"
    )
    assert await refusal(w.bots.create(person(owner), CONTEXT, **{**_NEW, "username": "echo"})) == (
        "VALIDATION_ERROR"
    )


async def test_changes_are_told_and_recorded_once(w: World) -> None:
    (owner,) = await w.around.people("a")
    bot_id, _ = await w.bot(owner)
    await w.bots.update(person(owner), CONTEXT, bot_id, display_name="Robot", scopes=None)
    assert w.around.audited == ["bot_created"]
    seen = await w.bots.update(person(owner), CONTEXT, bot_id, display_name="Other", scopes=["users:read"])
    assert (seen.user.display_name, seen.token.scopes) == ("Other", ("users:read",))
    assert (await w.around.users.many([bot_id]))[bot_id].display_name == "Other"
    await w.bots.rotate(person(owner), CONTEXT, bot_id)
    await w.bots.delete(person(owner), CONTEXT, bot_id)
    assert w.around.audited == ["bot_created", "profile_updated", "bot_token_rotated", "bot_deleted"]
    entry = w.around.trail.entries[1]
    assert (entry.target_type, entry.target_id, entry.details) == (
        "bot",
        bot_id,
        {"fields": "display_name,scopes"},
    )


async def test_what_ended_long_ago_is_forgotten(w: World) -> None:
    (owner,) = await w.around.people("a")
    bot_id, _ = await w.bot(owner)
    await w.bots.rotate(person(owner), CONTEXT, bot_id)
    assert await w.bots.purge() == 0
    w.around.clock.at += 31 * 24 * 3600 * 1000
    assert await w.bots.purge() == 1
    await w.bots.get(owner, bot_id)
