"""Lists that are read page by page while they change, and what others are told."""

from collections.abc import Sequence
from typing import NoReturn

import pytest

from secureconnect.features.conversations.api import Conversation
from secureconnect.features.conversations.service import Filter, Listing
from secureconnect.features.conversations.socket import SocketMemberships
from secureconnect.infra.timeline.base import Head
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_id
from tests.unit.conversations.world import World, caller, refusal


async def walk(w: World, user_id: str, which: Filter, *, limit: int, between: object = None) -> list[str]:
    """Every page of a list; `between` is awaited once after the first."""
    page = await w.cases.listing.listed(user_id, which, after=None, offset=0, limit=limit)
    seen = [one.conversation_id for one in page.items]
    if between is not None:
        await between  # type: ignore[misc]
    while page.after is not None:
        after = (page.after[0], page.after[1])
        page = await w.cases.listing.listed(user_id, which, after=after, offset=0, limit=limit)
        seen += [one.conversation_id for one in page.items]
    return seen


async def test_newest_first_each_once_whatever_comes_and_goes(w: World) -> None:
    a, b = await w.people("a", "b")
    groups = [await w.group(a, b, title=f"Group {number}") for number in range(7)]
    moment = w.clock.at
    for key in groups[2:5]:  # the same time: the id decides
        w.clock.at = moment
        await w.cases.editing.edit(caller(a), key, {"title": "Same"})
    order = [*sorted(groups[2:5], reverse=True), groups[6], groups[5], groups[1], groups[0]]
    nothing = Filter("false", None, None)
    assert await w.listed(a) == order

    async def change() -> None:
        await w.group(a, b)
        await w.cases.endings.delete(caller(a), order[-2])

    seen = await walk(w, a, nothing, limit=2, between=change())
    assert seen == [key for key in order if key != order[-2]]
    page = await w.cases.listing.listed(a, nothing, after=None, offset=3, limit=2)
    assert [one.conversation_id for one in page.items] == order[2:4]
    assert (await w.cases.listing.listed(a, nothing, after=None, offset=50, limit=2)).items == []


async def test_a_message_brings_a_conversation_up(w: World) -> None:
    a, b = await w.people("a", "b")
    old, new = await w.group(a, b), await w.group(a, b)
    assert await w.listed(a) == [new, old]
    before = (await w.cases.listing.one(a, old)).updated_at
    await w.send(b, old)
    assert await w.listed(a) == [old, new]
    assert (await w.cases.listing.one(a, old)).updated_at > before


async def test_filters(w: World) -> None:
    a, b, c, d = await w.people("a", "Björn", "c", "d")
    titled = await w.group(a, b, title="Straße 7")
    untitled = await w.group(a, c, d, title=None)
    pair = (await w.direct(a, b)).conversation_id
    assert await w.listed(a, type="direct") == [pair]
    assert await w.listed(a, type="group") == [untitled, titled]
    assert await w.listed(a, text="STRASSE") == [titled]
    assert await w.listed(a, text="bjo\u0308rn") == [pair]
    assert await w.listed(a, text="user d") == [untitled]
    assert await w.listed(a, text="nobody") == []
    assert await w.listed(a, text="user", type="group") == [untitled]
    await w.cases.personal.archive(a, pair, archived=True)
    assert await w.listed(a, text="björn") == []
    assert await w.listed(a, text="björn", archived="true") == [pair]
    seen = await walk(w, a, Filter("all", None, "s"), limit=1)
    assert seen == [pair, untitled, titled]


async def test_names(w: World) -> None:
    a, b, c, d, e = await w.people("a", "b", "c", "d", "e")
    big = await w.group(a, b, c, d, e, title=None)
    name = (await w.cases.listing.one(a, big)).name
    assert len(name.split(", ")) == 3
    assert "User a" not in name
    alone = await w.group(a, b, title=None)
    await w.cases.membership.leave(caller(b), alone)
    assert (await w.cases.listing.one(a, alone)).name == "User a"


async def test_who_left_during_the_request_is_shown_nothing(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = await w.people("a", "b")
    kept, left = await w.group(a, b), await w.group(a, b)
    read = w.timeline.unread

    async def removed_meanwhile(*args: object, **options: object) -> dict[str, int]:
        monkeypatch.undo()
        await w.cases.membership.remove(caller(a), left, b)
        await w.send(a, left, "not for b")
        return await read(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(w.timeline, "unread", removed_meanwhile)
    assert await w.listed(b) == [kept]
    await w.cases.membership.add(caller(a), left, [b])
    monkeypatch.setattr(w.timeline, "unread", removed_meanwhile)
    assert await refusal(w.cases.listing.one(b, left)) == "FORBIDDEN"


async def test_overviews_ascend_by_id_with_hidden_and_archived_ones(w: World) -> None:
    a, b, c = await w.people("a", "b", "c")
    keys = [await w.group(a, b, title=f"T{number}") for number in range(3)]
    keys.append((await w.direct(a, c)).conversation_id)
    await w.cases.endings.delete(caller(a), keys[3])
    await w.cases.personal.archive(a, keys[0], archived=True)
    await w.cases.personal.mute(a, keys[0], None)
    first = await w.neighbours.overviews(a, after=None, limit=3)
    rest = await w.neighbours.overviews(a, after=first[-1].conversation_id, limit=3)
    seen = {one.conversation_id: one for one in [*first, *rest]}
    assert list(seen) == sorted(keys)
    assert (seen[keys[0]].archived, seen[keys[0]].name, seen[keys[3]].name) == (True, "T0", "User c")
    assert seen[keys[0]].muted_until is not None
    assert seen[keys[3]].visible_from == 2


async def test_co_members(w: World) -> None:
    a, b, c, d = await w.people("a", "b", "c", "d")
    await w.group(a, b)
    await w.group(b, c)
    assert await w.neighbours.co_members(a, [a, b, c, d, new_id()]) == {b}
    assert await w.neighbours.co_members(b, [a, b, c, d]) == {a, c}
    assert await w.neighbours.co_members(d, [a, b, c]) == set()
    assert await w.neighbours.co_members(a, []) == set()


async def test_standings_for_sockets(w: World) -> None:
    a, b, c = await w.people("a", "b", "c")
    memberships = SocketMemberships(w.neighbours, Listing(w.database, w.views))
    key = await w.group(a, b, history_visibility="joined")
    await w.send(a, key)
    await w.cases.membership.add(caller(a), key, [c])
    pair = (await w.direct(a, c)).conversation_id
    assert await memberships.standings(c) == {key: (3, 3), pair: (1, 1)}
    assert await memberships.standing(c, key) == (3, 3)
    assert await memberships.standing(b, pair) is None
    assert await memberships.standing(b, new_id()) is None
    frame = await memberships.added_frame(c, key)
    assert frame is not None
    assert b'"type":"conversation_added"' in frame
    assert b'"my":{' in frame
    assert await memberships.added_frame(b, pair) is None
    assert await memberships.added_frame(b, new_id()) is None


async def test_a_standing_never_skips_a_removal(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = await w.people("a", "b")
    gone, new = await w.group(a, b), ""
    read = w.timeline.heads

    async def changed_before(conversation_ids: object) -> dict[str, Head]:
        nonlocal new
        monkeypatch.undo()
        await w.cases.membership.remove(caller(a), gone, b)
        new = await w.group(a, b)
        return await read(conversation_ids)  # type: ignore[arg-type]

    monkeypatch.setattr(w.timeline, "heads", changed_before)
    assert await w.neighbours.places(b) == {new: (1, 1)}


async def test_the_list_is_there_without_its_logs(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While they cannot be read: names and places, nothing said, nothing unread, nobody else's."""
    a, b, c = await w.people("a", "b", "c")
    g, other = await w.group(a, b), await w.group(c, a, title=None)
    mine = await w.send(a, g)
    await w.send(b, g)

    async def lists(user_id: str, text: str | None = None) -> Sequence[Conversation]:
        which = Filter("false", None, text)
        return (await w.cases.listing.listed(user_id, which, after=None, offset=0, limit=100)).items

    def away(*_: object, **__: object) -> NoReturn:
        raise ApiError(ErrorCode.TIMELINE_UNAVAILABLE, "The timeline store does not answer.")

    before = await lists(a)
    assert before[0].my.unread_count == 1
    with monkeypatch.context() as patched:
        patched.setattr(w.timeline, "heads", away)
        without = await lists(a)
        assert [(one.conversation_id, one.name, one.member_count) for one in without] == [
            (one.conversation_id, one.name, one.member_count) for one in before
        ]
        assert [one.last_message for one in without] == [None, None]
        place = without[0].my
        assert (without[0].last_seq, place.last_read_seq, place.unread_count) == (mine, mine, 0)
        assert [one.conversation_id for one in await lists(a, "c")] == [other]
        assert [one.conversation_id for one in await lists(b)] == [g]
        assert await refusal(w.cases.listing.one(a, g)) == "TIMELINE_UNAVAILABLE"
    assert await lists(a) == before
