"""Read and delivered marks, and what others are told about them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from secureconnect.edge.realtime.frames import payload_of
from secureconnect.kit.hints import ConversationFrame, UserFrame
from tests.unit.conversations.world import CONTEXT, refusal
from tests.unit.messages.desk import Desk, by, desk


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as made:
        yield made


def told(place: Desk, kind: type[ConversationFrame] | type[UserFrame], wanted: str) -> list[Any]:
    frames = [
        json.loads(bytes(payload_of(hint.frame)))
        for _, hint in place.world.bus.heard
        if isinstance(hint, kind)
    ]
    return [frame for frame in frames if frame["type"] == wanted]


async def test_reading_moves_the_mark_forward_only(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    for _ in range(4):
        last = await place.world.send(a, group)
    state = await place.marking.read(by(b), group, 3)
    assert (state.last_read_seq, state.last_delivered_seq, state.unread_count) == (3, 3, last - 3)
    state = await place.marking.read(by(b), group, 2)
    assert (state.last_read_seq, state.unread_count) == (3, last - 3)
    state = await place.marking.read(by(b), group, 10**9)
    assert (state.last_read_seq, state.unread_count) == (last, 0), "cut to the head"


async def test_a_delivery_is_not_a_reading(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    last = await place.world.send(a, group)
    assert await place.marking.delivered(by(b), group, last) == last
    state = await place.marking.read(by(b), group, 0)
    assert (state.last_read_seq, state.last_delivered_seq, state.unread_count) == (1, last, 1)
    assert await place.marking.delivered(by(b), group, 1) == last


async def test_up_to_a_message(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group, other = await place.world.group(a, b), await place.world.group(a, b)
    for _ in range(3):
        await place.world.send(a, group)
    await place.world.send(a, other)
    page = await place.reading.messages(by(b), group, cursor=None, around=None, limit=2)
    state = await place.marking.read_message(by(b), group, page.messages[1].message_id)
    assert state.last_read_seq == page.messages[1].seq
    (foreign,) = (await place.reading.messages(by(b), other, cursor=None, around=None, limit=1)).messages
    assert await refusal(place.marking.read_message(by(b), group, foreign.message_id)) == "NOT_FOUND"


async def test_what_others_and_the_own_devices_hear(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    last = await place.world.send(a, group)
    await place.marking.read(by(b), group, last, connection_id="socket")
    (receipt,) = told(place, ConversationFrame, "receipt")
    assert (receipt["kind"], receipt["user_id"], receipt["seq"]) == ("read", b, last)
    (state,) = told(place, UserFrame, "my_state")
    assert (state["conversation_id"], state["my"]["unread_count"]) == (group, 0)
    own = [hint for _, hint in place.world.bus.heard if isinstance(hint, UserFrame)]
    assert {(hint.user_id, hint.except_connection) for hint in own} == {(b, "socket")}
    await place.marking.read(by(b), group, last)
    assert len(told(place, UserFrame, "my_state")) == 1, "a repeat tells nobody anything"


async def test_receipts_can_be_switched_off(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    await place.world.users.update(by(b), CONTEXT, {}, {"send_read_receipts": False})
    last = await place.world.send(a, group)
    await place.marking.delivered(by(b), group, last - 1)
    await place.marking.read(by(b), group, last)
    assert told(place, ConversationFrame, "receipt") == []
    assert told(place, UserFrame, "receipt") == []
    assert len(told(place, UserFrame, "my_state")) == 1


async def test_no_receipts_in_large_conversations(place: Desk) -> None:
    people = await place.world.people(*(str(number) for number in range(101)))
    group = await place.world.group(*people)
    last = await place.world.send(people[0], group)
    await place.marking.read(by(people[1]), group, last)
    assert told(place, ConversationFrame, "receipt") == []


async def test_sending_moves_the_own_mark_and_nobody_elses(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    last = await place.world.send(a, group)
    place.world.bus.heard.clear()
    assert (await place.marking.read(by(a), group, 0)).last_read_seq == last
    assert (await place.marking.read(by(b), group, 0)).last_read_seq == 1
    assert told(place, UserFrame, "my_state") == []
