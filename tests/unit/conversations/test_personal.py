"""Archive, mute, clear, and what a new message does to them."""

import msgspec
import pytest

from secureconnect.features.conversations.api import FOR_GOOD
from secureconnect.infra.timeline.base import Head
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.hints import UserFrame
from tests.unit.conversations.world import World, caller, refusal

HOUR = 3_600_000


def frames(w: World, user_id: str) -> list[dict[str, object]]:
    """What the user's sockets were told."""
    return [
        msgspec.json.decode(hint.frame[hint.frame.index(b"{") :])
        for channel, hint in w.bus.heard
        if channel == f"user:{user_id}" and isinstance(hint, UserFrame)
    ]


async def test_archived_until_the_next_message(w: World) -> None:
    a, b = await w.people("a", "b")
    key = await w.group(a, b)
    personal = w.cases.personal
    assert not (await w.known(key)).wake
    assert (await personal.archive(a, key, archived=True)).archived
    assert (await w.listed(a), await w.listed(a, archived="true")) == ([], [key])
    assert await w.listed(a, archived="all") == await w.listed(b) == [key]
    assert (await w.known(key)).wake
    await w.send(b, key)
    assert (await w.listed(a), await w.listed(a, archived="true")) == ([key], [])
    await personal.archive(a, key, archived=True)
    await personal.archive(a, key, archived=True)
    assert not (await personal.archive(a, key, archived=False)).archived
    assert [frame["type"] for frame in frames(w, a)] == ["my_state"] * 4
    assert frames(w, b) == []


async def test_a_muted_one_stays_archived_while_it_is_muted(w: World) -> None:
    a, b = await w.people("a", "b")
    key = await w.group(a, b)
    personal = w.cases.personal
    await personal.archive(a, key, archived=True)
    state = await personal.mute(a, key, None)
    assert state.muted_until == rfc3339(FOR_GOOD) == "9999-12-31T00:00:00.000Z"
    assert not (await w.known(key)).wake
    await w.send(b, key)
    assert await w.listed(a) == []
    await personal.mute(a, key, w.clock.at + HOUR)
    await w.send(b, key)
    assert await w.listed(a) == []
    w.clock.at += HOUR
    assert (await w.neighbours.my_state(key, a)).muted_until is None
    await w.send(b, key)
    assert await w.listed(a) == [key]
    await personal.mute(a, key, None)
    await personal.archive(a, key, archived=True)
    assert (await personal.unmute(a, key)).muted_until is None
    await w.send(b, key)
    assert await w.listed(a) == [key]
    assert await refusal(personal.mute(a, key, w.clock.at - 1)) == "VALIDATION_ERROR"


async def test_strangers_change_nothing(w: World) -> None:
    a, b, c = await w.people("a", "b", "c")
    key = await w.group(a, b)
    personal = w.cases.personal
    for action in (
        personal.archive(c, key, archived=True),
        personal.mute(c, key, None),
        personal.unmute(c, key),
        w.cases.endings.delete(caller(c), key),
    ):
        assert await refusal(action) == "FORBIDDEN"


async def test_clearing_a_direct_concerns_the_caller_only(w: World) -> None:
    a, b = await w.people("a", "b")
    key = (await w.direct(a, b)).conversation_id
    for _ in range(3):
        await w.send(b, key)
    await w.cases.endings.delete(caller(a), key)
    assert (await w.listed(a), await w.listed(b)) == ([], [key])
    mine = await w.neighbours.my_state(key, a)
    assert (mine.first_visible_seq, mine.last_read_seq, mine.unread_count) == (5, 4, 0)
    assert (await w.neighbours.my_state(key, b)).first_visible_seq == 1
    assert (await w.cases.listing.one(b, key)).last_message is not None
    assert frames(w, a)[-1]["conversation_id"] == key
    seq = await w.send(b, key, "again")
    seen = await w.cases.listing.one(a, key)
    assert await w.listed(a) == [key]
    assert (seen.my.first_visible_seq, seen.my.unread_count) == (seq, 1)
    assert seen.last_message is not None
    assert seen.last_message.content == "again"
    assert (await w.known(key)).members[a].visible_from == seq
    await w.cases.endings.delete(caller(a), key)
    await w.cases.endings.delete(caller(a), key)  # a repeat changes nothing
    assert (await w.neighbours.my_state(key, a)).first_visible_seq == seq + 1


async def test_a_message_that_slips_into_the_clearing_is_cleared_and_none_after_it(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = await w.people("a", "b")
    key = (await w.direct(a, b)).conversation_id
    read_head = w.timeline.head

    async def head_before_a_message(conversation_id: str) -> Head | None:
        head = await read_head(conversation_id)
        monkeypatch.undo()
        await w.send(b, key, "slipped in")
        return head

    monkeypatch.setattr(w.timeline, "head", head_before_a_message)
    await w.cases.endings.delete(caller(a), key)
    assert await w.listed(a) == []
    assert (await w.cases.listing.one(a, key)).last_message is None
    await w.send(b, key, "after it")
    assert (await w.cases.listing.one(a, key)).my.unread_count == 1
    assert await w.listed(a) == [key]


async def test_ones_own_message_wakes_too(w: World) -> None:
    a, b = await w.people("a", "b")
    key = (await w.direct(a, b)).conversation_id
    await w.cases.endings.delete(caller(a), key)
    await w.send(a, key)
    assert await w.listed(a) == [key]


async def test_marks_never_go_back_and_read_implies_delivered(w: World) -> None:
    a, b = await w.people("a", "b")
    key = await w.group(a, b)
    for _ in range(5):
        await w.send(b, key)

    async def read(user_id: str, seq: int) -> object:
        now = w.clock.now()
        return await w.database.write(
            lambda tx: w.neighbours.advance_read_in(tx, key, user_id, seq, now), brief=True
        )

    async def delivered(user_id: str, seq: int) -> object:
        return await w.database.write(
            lambda tx: w.neighbours.advance_delivered_in(tx, key, user_id, seq), brief=True
        )

    assert await delivered(a, 3) == (1, 3, True)
    assert await read(a, 2) == (2, 3, True)
    assert await read(a, 4) == (4, 4, True)
    assert await read(a, 2) == (4, 4, False)
    assert await delivered(a, 1) == (4, 4, False)
    assert (await w.neighbours.my_state(key, a)).unread_count == 2
    (stranger,) = await w.people("c")
    assert await read(stranger, 1) is None
    seq = await w.send(a, key)
    state = await w.neighbours.my_state(key, a)
    assert (state.last_read_seq, state.last_delivered_seq, state.unread_count) == (seq, seq, 0)
