"""Changing messages over the real store: what goes with them, who sees what, how many queries it takes."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, event, func, select

from secureconnect.features.messages import store
from secureconnect.features.messages.rules import MessageLimits
from secureconnect.features.messages.service import EditRequest, Eraser
from secureconnect.features.messages.service.changing import Changes
from secureconnect.features.messages.store.tables import mentions, pins
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline import tables
from secureconnect.infra.timeline.base import AttachedFile, NewEvent, NewMessage
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.ids import new_time_id
from secureconnect.kit.objects import Poll
from tests.unit.conversations.world import CONTEXT, refusal
from tests.unit.messages.desk import Desk, by, desk

FILE = AttachedFile("f" * 36, "a.png", "image/png", 5, False, 1)


class Remembered:
    """Files and polls that note what they are told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def revoke_in(self, tx: WriteTx, message_id: str) -> None:
        self.told.append(("files", message_id))

    def delete_in(self, tx: WriteTx, poll_id: str) -> None:
        self.told.append(("poll", poll_id))

    async def cards(self, viewer_id: str | None, poll_ids: Collection[str]) -> Mapping[str, Poll]:
        return {}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as made:
        yield made


async def said(place: Desk, user: str, group: str) -> str:
    """The id of a new message."""
    await place.world.send(user, group)
    page = await place.reading.messages(by(user), group, cursor=None, around=None, limit=1)
    return page.messages[0].message_id


async def rows(place: Desk, *counted: Table) -> list[int]:
    def query(conn: Connection) -> list[int]:
        return [int(conn.scalar(select(func.count()).select_from(table)) or 0) for table in counted]

    return await place.world.database.read(query)


async def test_everything_goes_with_a_message(place: Desk) -> None:
    """Files, poll, versions, reactions, mentions and pin, in one transaction; and only once."""
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    poll_id = new_time_id()
    also = store.mention(group, a, [b])
    brought = NewMessage(a, None, "?", False, "poll", {}, mentions=(b,), attachments=(FILE,))
    asked = NewEvent(group, poll_id, "poll_created", a, 5, b'{"poll":1}', brought)
    await place.world.database.write(lambda tx: place.world.timeline.append_in(tx, asked, also=also))
    await place.cases.reacting.add(by(b), poll_id, "👍")
    assert await place.cases.pinning.pin(by(b), group, poll_id)
    kept = (tables.attachments, tables.reactions, mentions, pins)
    assert await rows(place, *kept) == [1, 1, 1, 1]

    neighbours = Remembered()
    timeline, near = place.world.timeline, place.world.neighbours
    eraser = Eraser(timeline, Changes(timeline, near), neighbours, neighbours)  # type: ignore[arg-type]

    def erase(tx: WriteTx) -> int | None:
        message = timeline.message_in(tx, poll_id)
        assert message is not None
        return eraser.delete_in(tx, message, at=9, by=None, reason="erased")

    assert await place.world.database.write(erase) == 5
    assert await place.world.database.write(erase) is None
    assert neighbours.told == [("files", poll_id), ("poll", poll_id)]
    assert await rows(place, *kept) == [0, 0, 0, 0]
    last = (await place.world.log(group))[-1]
    assert (last.kind, last.actor_id, last.sent_at) == ("message_deleted", None, 9)
    assert b'"reason":"erased"' in last.data
    message = await place.reading.message(by(b), poll_id)
    assert (message.content, message.delete_reason, message.deleted_by) == ("", "erased", None)


async def test_a_refused_change_leaves_nothing(place: Desk) -> None:
    a, b, d = await place.world.people("a", "b", "d")
    group = await place.world.group(a, b)
    message_id = await said(place, a, group)
    before = await place.world.log(group)
    editing, deleting, reacting = place.cases.editing, place.cases.deleting, place.cases.reacting
    for user in (b, d):
        assert await refusal(editing.edit(by(user), message_id, EditRequest(content="x"))) == "FORBIDDEN"
        assert await refusal(deleting.for_everyone(by(user), message_id, CONTEXT)) == "FORBIDDEN"
    assert await refusal(reacting.add(by(d), message_id, "👍")) == "FORBIDDEN"
    assert await place.world.log(group) == before
    assert place.world.audited.count("message_deleted_by_moderator") == 0


async def test_what_one_hid_is_skipped_however_much_it_is(place: Desk) -> None:
    """Lists fill their pages behind hundreds of hidden messages; others see them all."""
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    first = await said(place, a, group)
    for _ in range(130):
        await place.cases.deleting.for_me(by(b), await said(place, a, group))
    last = await said(place, b, group)
    page = await place.reading.messages(by(b), group, cursor=None, around=None, limit=20)
    assert [message.message_id for message in page.messages] == [last, first]
    assert not page.has_more
    page = await place.reading.messages(by(b), group, cursor=None, around=first, limit=3)
    assert [message.message_id for message in page.messages] == [last, first]
    page = await place.reading.messages(by(a), group, cursor=None, around=None, limit=100)
    assert page.has_more
    await place.cases.deleting.for_me(by(b), last)
    shown = await place.world.cases.listing.one(b, group)
    assert shown.last_message is not None
    assert shown.last_message.message_id == first


async def test_an_edit_is_counted_and_kept(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    message_id = await said(place, a, group)
    for number in range(3):
        edited, seq = await place.cases.editing.edit(by(a), message_id, EditRequest(content=str(number)))
        assert (edited.content, edited.edit_count, seq) == (str(number), number + 1, 3 + number)
    page = await place.cases.history.versions(by(b), message_id, cursor=None, limit=2)
    assert [(one.version, one.content) for one in page.versions] == [(1, "hello"), (2, "0")]
    page = await place.cases.history.versions(by(b), message_id, cursor=page.next_cursor, limit=2)
    assert ([(one.version, one.content) for one in page.versions], page.has_more) == ([(3, "1")], False)


async def statements(place: Desk, action: Any) -> int:
    """How many statements an action takes."""
    counted = 0

    def count(*_: object) -> None:
        nonlocal counted
        counted += 1

    engine = await place.world.database.read(lambda conn: conn.engine)
    event.listen(engine, "before_cursor_execute", count)
    try:
        await action
    finally:
        event.remove(engine, "before_cursor_execute", count)
    return counted


async def test_pages_take_the_same_few_queries_whatever_their_length(place: Desk) -> None:
    """Fifty messages with reactions, quotes, pins and hidden ones between cost what five do."""
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    counts: list[Sequence[int]] = []
    for number in range(1, 51):
        message_id = await said(place, a, group)
        await place.cases.reacting.add(by(b), message_id, "👍")
        await place.cases.pinning.pin(by(b), group, message_id)
        if number % 5 == 0:
            await place.cases.deleting.for_me(by(b), await said(place, a, group))
        if number in {5, 50}:
            page = {"cursor": None, "limit": 100}
            counts.append(
                [
                    await statements(
                        place, place.reading.messages(by(b), group, around=None, cursor=None, limit=100)
                    ),
                    await statements(
                        place,
                        place.reading.events(by(b), group, after_seq=0, before_seq=None, limit=500),
                    ),
                    await statements(place, place.cases.pinning.pins(by(b), group, **page)),  # type: ignore[arg-type]
                ]
            )
    assert counts[0] == counts[1]
    assert max(counts[1]) <= 9


async def test_limits_are_those_given(tmp_path: Path) -> None:
    async with desk(tmp_path) as place:
        a, b = await place.world.people("a", "b")
        group = await place.world.group(a, b)
        message_id = await said(place, b, group)
        limits = MessageLimits()
        place.world.clock.at += limits.edit_window * 1000
        late = place.cases.editing.edit(by(b), message_id, EditRequest(content="x"))
        assert await refusal(late) == ErrorCode.EDIT_WINDOW_EXPIRED.name
        assert (await place.cases.deleting.for_everyone(by(b), message_id, CONTEXT)).seq == 3
