"""Reading by seq and by page, for members only and only what they may see."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from secureconnect.kit.errors import ApiError
from tests.unit.conversations.world import caller, refusal
from tests.unit.messages.desk import Desk, by, desk

NIL = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as made:
        yield made


async def seqs(
    place: Desk, user: str, group: str, after: int | None = None, before: int | None = None, limit: int = 100
) -> tuple[list[int], bool]:
    page = await place.reading.events(by(user), group, after_seq=after, before_seq=before, limit=limit)
    return [event.seq for event in page.events], page.has_more


async def test_events_by_seq(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    for _ in range(19):
        await place.world.send(a, group)
    assert await seqs(place, b, group, after=0) == (list(range(1, 21)), False)
    assert await seqs(place, b, group, after=0, limit=5) == ([1, 2, 3, 4, 5], True)
    assert await seqs(place, b, group, after=10, before=15) == ([11, 12, 13, 14], False)
    assert await seqs(place, b, group, after=10, before=15, limit=2) == ([11, 12], True)
    assert await seqs(place, b, group, after=10, before=11) == ([], False)
    assert await seqs(place, b, group, before=20, limit=5) == ([15, 16, 17, 18, 19], True)
    assert await seqs(place, b, group, before=6, limit=5) == ([1, 2, 3, 4, 5], False)
    assert await seqs(place, b, group, before=1) == ([], False)
    assert await seqs(place, b, group, before=1000, limit=2) == ([19, 20], True)
    assert await seqs(place, b, group, limit=2) == ([19, 20], True)
    assert await seqs(place, b, group, after=20) == ([], False)
    assert await seqs(place, b, group, after=5000) == ([], False)


async def test_who_joined_later_reads_from_there(place: Desk) -> None:
    a, b, c = await place.world.people("a", "b", "c")
    group = await place.world.group(a, b, history_visibility="joined")
    for _ in range(5):
        await place.world.send(a, group)
    await place.world.cases.membership.add(caller(a), group, [c])
    last = await place.world.send(a, group)
    page = await place.reading.events(by(c), group, after_seq=0, before_seq=None, limit=100)
    assert [event.kind for event in page.events] == ["member_added", "message_created"]
    assert (page.first_seq, page.last_seq, page.has_more) == (last - 1, last, False)
    page = await place.reading.events(by(c), group, after_seq=None, before_seq=None, limit=1)
    assert page.has_more
    assert await seqs(place, c, group, before=last - 1) == ([], False)
    listed = await place.reading.messages(by(c), group, cursor=None, around=None, limit=20)
    assert [message.seq for message in listed.messages] == [last]
    (_, hidden) = (await place.reading.messages(by(a), group, cursor=None, around=None, limit=2)).messages
    assert await refusal(place.reading.message(by(c), hidden.message_id)) == "FORBIDDEN"
    action = place.reading.messages(by(c), group, cursor=None, around=hidden.message_id, limit=2)
    assert await refusal(action) == "FORBIDDEN"
    assert await refusal(place.marking.read_message(by(c), group, hidden.message_id)) == "FORBIDDEN"


async def test_strangers_and_the_unknown(place: Desk) -> None:
    a, b, d = await place.world.people("a", "b", "d")
    group = await place.world.group(a, b)
    await place.world.send(a, group)
    (said,) = (await place.reading.messages(by(a), group, cursor=None, around=None, limit=1)).messages
    for user, where, code in ((d, group, "FORBIDDEN"), (a, NIL, "NOT_FOUND")):
        events = place.reading.events(by(user), where, after_seq=None, before_seq=None, limit=1)
        assert await refusal(events) == code
        listing = place.reading.messages(by(user), where, cursor=None, around=None, limit=1)
        assert await refusal(listing) == code
        assert await refusal(place.marking.read(by(user), where, 1)) == code
        assert await refusal(place.marking.delivered(by(user), where, 1)) == code
        assert await refusal(place.marking.read_message(by(user), where, said.message_id)) == code
    assert await refusal(place.reading.message(by(d), said.message_id)) == "FORBIDDEN"
    assert await refusal(place.reading.message(by(a), NIL)) == "NOT_FOUND"


async def test_a_removed_member_reads_nothing(place: Desk) -> None:
    a, b, c = await place.world.people("a", "b", "c")
    group = await place.world.group(a, b, c)
    await place.world.send(c, group)
    await place.world.cases.membership.remove(caller(a), group, c)
    assert await refusal(seqs(place, c, group)) == "FORBIDDEN"


async def test_a_walk_meets_each_message_once(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    sent = [await place.world.send(a, group, str(number)) for number in range(45)]
    met: list[int] = []
    cursor: str | None = None
    pages = []
    while True:
        page = await place.reading.messages(by(b), group, cursor=cursor, around=None, limit=20)
        met += [message.seq for message in page.messages]
        pages.append(len(page.messages))
        await place.world.send(a, group, "meanwhile")
        cursor = page.next_cursor
        if cursor is None:
            break
    assert met == sent[::-1]
    assert pages == [20, 20, 5]
    assert not page.has_more


async def test_a_cursor_belongs_to_its_conversation_and_caller(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group, other = await place.world.group(a, b), await place.world.group(a, b)
    for _ in range(3):
        await place.world.send(a, group)
    page = await place.reading.messages(by(a), group, cursor=None, around=None, limit=2)
    for user, where in ((b, group), (a, other)):
        action = place.reading.messages(by(user), where, cursor=page.next_cursor, around=None, limit=2)
        with pytest.raises(ApiError) as refused:
            await action
        assert [detail.field for detail in refused.value.details] == ["cursor"]
    both = place.reading.messages(by(a), group, cursor=page.next_cursor, around=NIL, limit=2)
    assert await refusal(both) == "VALIDATION_ERROR"


async def test_around_puts_the_message_into_the_middle(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    for number in range(30):
        await place.world.send(a, group, str(number))
        if number % 3 == 0:  # other events in between
            await place.world.cases.editing.edit(caller(a), group, {"title": f"T{number}"})
    page = await place.reading.messages(by(b), group, cursor=None, around=None, limit=30)
    by_text = {message.content: message for message in page.messages}

    async def around(text: str, limit: int) -> tuple[list[str], str | None]:
        found = await place.reading.messages(
            by(b), group, cursor=None, around=by_text[text].message_id, limit=limit
        )
        return [message.content for message in found.messages], found.next_cursor

    texts, cursor = await around("15", 5)
    assert texts == ["17", "16", "15", "14", "13"]
    older = await place.reading.messages(by(b), group, cursor=cursor, around=None, limit=2)
    assert [message.content for message in older.messages] == ["12", "11"]
    assert (await around("29", 4))[0] == ["29", "28", "27", "26"]
    assert await around("0", 5) == (["2", "1", "0"], None)
    assert (await around("15", 1))[0] == ["15"]
    foreign = await place.world.group(a, b)
    action = place.reading.messages(by(b), foreign, cursor=None, around=by_text["15"].message_id, limit=5)
    assert await refusal(action) == "NOT_FOUND"


async def test_frames_are_what_events_say(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    for _ in range(4):
        await place.world.send(a, group)
    frames = await place.view.frames(b, group, after_seq=1, upto_seq=4, limit=2)
    assert [frame.seq for frame in frames] == [2, 3]
    frames = await place.view.frames(b, group, after_seq=1, upto_seq=4, limit=100)
    assert [frame.seq for frame in frames] == [2, 3, 4]
    heard = [hint for _, hint in place.world.bus.heard if getattr(hint, "kind", "") == "message_created"]
    assert [frame.frame for frame in frames] == [getattr(hint, "frame", None) for hint in heard[:3]]


async def test_names_are_the_current_ones(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    await place.world.send(a, group)
    await place.world.users.update(by(a), caller(a).context, {"display_name": "New name"}, {})
    (said,) = (await place.reading.messages(by(b), group, cursor=None, around=None, limit=1)).messages
    assert said.sender_name == "New name"
