"""New conversations: unique pairs, whom one reaches, limits; nothing is written when one is refused."""

import asyncio
from pathlib import Path

import msgspec
from sqlalchemy import func, select

from secureconnect.features.conversations.rules import ConversationLimits
from secureconnect.features.conversations.service import Wanted
from secureconnect.features.conversations.store.tables import conversations
from secureconnect.features.users.api import Privacy
from secureconnect.kit.ids import new_id
from tests.unit.conversations.world import World, caller, refusal, world

FRIENDS_ONLY = Privacy(allow_messages_from="friends")


async def stored(w: World) -> int:
    """How many conversations there are."""
    query = select(func.count()).select_from(conversations)
    return await w.database.read(lambda conn: conn.execute(query).scalar_one())


async def test_parallel_creation_of_a_direct_gives_one(w: World) -> None:
    a, b = await w.people("a", "b")
    pairs = [(a, b), (b, a)] * 10
    made = await asyncio.gather(
        *(
            w.cases.creation.create(caller(one), Wanted("direct", [other], "x", "y", {}))
            for one, other in pairs
        )
    )
    assert len({conversation.conversation_id for conversation, _ in made}) == 1
    assert [new for _, new in made].count(True) == 1
    conversation = made[0][0]
    assert (conversation.type, conversation.owner_id, conversation.title) == ("direct", None, None)
    assert (conversation.name, made[1][0].name) == ("User b", "User a")
    assert await w.members(conversation.conversation_id) == {a: "admin", b: "admin"}
    assert await w.kinds(conversation.conversation_id) == ["conversation_created"]


async def test_the_first_event_carries_everything(w: World) -> None:
    a, b, c = await w.people("a", "b", "c")
    key = await w.group(a, b, c, b, a, title=None, is_e2ee_enabled=True)
    (event,) = await w.log(key)
    data = msgspec.json.decode(event.data)
    assert (event.seq, event.actor_id, data["members"]) == (1, a, [a, b, c])
    created = data["conversation"]
    assert created["member_count"] == 3
    assert created["settings"]["is_e2ee_enabled"] is True
    assert created["name"] == "User a, User b, User c"
    assert {"my", "last_message"}.isdisjoint(created)
    seen = await w.cases.listing.one(b, key)
    for field in ("last_seq", "owner_id", "created_at", "updated_at", "settings"):
        assert msgspec.to_builtins(getattr(seen, field)) == created[field]
    assert (seen.my.last_read_seq, seen.my.last_delivered_seq, seen.my.first_visible_seq) == (1, 1, 1)
    assert seen.my.unread_count == 0
    assert await w.members(key) == {a: "admin", b: "member", c: "member"}
    assert w.audited == ["conversation_created"]


async def test_nobody_can_be_brought_in_who_is_not_there(w: World) -> None:
    a, b, gone = await w.people("a", "b", "gone")
    await w.gone(gone)
    for others in ([b, new_id()], [b, gone]):
        wanted = Wanted("group", others, "G", None, {})
        assert await refusal(w.cases.creation.create(caller(a), wanted)) == "NOT_FOUND"
    assert await refusal(w.direct(a, gone)) == "NOT_FOUND"
    assert (await stored(w), w.audited) == (0, [])


async def test_blocks_and_privacy_keep_strangers_away(w: World) -> None:
    a, b, c = await w.people("a", "b", "c")
    (shy,) = await w.people("shy", privacy=FRIENDS_ONLY)
    await w.block(b, a)
    for one, other in ((a, b), (b, a), (a, shy)):
        assert await refusal(w.direct(one, other)) == "FORBIDDEN"
        wanted = Wanted("group", [c, other], "G", None, {})
        assert await refusal(w.cases.creation.create(caller(one), wanted)) == "FORBIDDEN"
    assert await stored(w) == 0
    await w.befriend(a, shy)
    assert (await w.direct(a, shy)).name == "User shy"
    await w.direct(shy, b)  # the shy one writes to whom it likes


async def test_an_existing_direct_is_found_whatever_happened_since(w: World) -> None:
    a, b = await w.people("a", "b")
    key = (await w.direct(a, b)).conversation_id
    await w.block(b, a)
    assert (await w.direct(a, b)).conversation_id == key
    await w.gone(b)
    assert (await w.direct(a, b)).conversation_id == key


async def test_asking_for_a_hidden_direct_brings_it_back(w: World) -> None:
    a, b = await w.people("a", "b")
    key = (await w.direct(a, b)).conversation_id
    await w.send(b, key)
    await w.cases.endings.delete(caller(a), key)
    again = await w.direct(a, b)
    assert (again.conversation_id, again.last_message) == (key, None)
    assert await w.listed(a) == [key]


async def test_limits(tmp_path: Path) -> None:
    async with world(tmp_path, ConversationLimits(max_members=3, max_per_user=2)) as w:
        a, b, c, d = await w.people("a", "b", "c", "d")
        wanted = Wanted("group", [b, c, d], "G", None, {})
        assert await refusal(w.cases.creation.create(caller(a), wanted)) == "LIMIT_REACHED"
        await w.group(a, b)
        await w.group(a, c)
        assert await refusal(w.direct(a, d)) == "LIMIT_REACHED"
        assert await refusal(w.direct(d, a)) == "LIMIT_REACHED"
        await w.direct(b, d)
        assert await stored(w) == 3


async def test_settings_and_their_bounds(w: World) -> None:
    a, b = await w.people("a", "b")
    key = await w.group(a, b, history_visibility="joined", message_retention_days=7)
    settings = (await w.cases.listing.one(a, key)).settings
    assert (settings.history_visibility, settings.message_retention_days) == ("joined", 7)
    wanted = Wanted("group", [b], None, None, {"message_ttl_seconds": 1})
    assert await refusal(w.cases.creation.create(caller(a), wanted)) == "VALIDATION_ERROR"
