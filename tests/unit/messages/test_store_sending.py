"""Sending into the real store: one result per key, one order, nothing behind a change."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from secureconnect.features.messages.service import SendRequest
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import EventHint
from tests.unit.conversations.world import caller
from tests.unit.messages.desk import Desk, by, desk


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as made:
        yield made


async def test_concurrent_repeats_are_one_message(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    request = SendRequest(group, "x", client_message_id="k2")
    sent = await asyncio.gather(*(place.world.sending.send(by(a), request) for _ in range(20)))
    assert len({one.message.message_id for one in sent}) == 1
    assert sorted(one.duplicate for one in sent) == [False] + [True] * 19
    assert await place.world.kinds(group) == ["conversation_created", "message_created"]


async def test_every_committed_event_is_announced_once_and_in_order(place: Desk) -> None:
    people = await place.world.people(*"abcdefgh")
    group = await place.world.group(*people)

    async def writer(user: str) -> None:
        for number in range(25):
            await place.world.sending.send(by(user), SendRequest(group, str(number)))

    await asyncio.gather(*map(writer, people))
    announced = [
        hint.seq
        for channel, hint in place.world.bus.heard
        if channel == f"conv:{group}" and isinstance(hint, EventHint)
    ]
    assert announced == list(range(1, 202))
    assert [event.seq for event in await place.world.log(group)] == announced


async def test_nothing_of_a_removed_member_comes_after_its_removal(place: Desk) -> None:
    a, b, c = await place.world.people("a", "b", "c")
    group = await place.world.group(a, b, c)

    under_way = asyncio.Event()

    async def writer() -> None:
        for number in range(200):
            await place.world.sending.send(by(c), SendRequest(group, str(number)))
            under_way.set()

    async def remover() -> None:
        await under_way.wait()
        await place.world.cases.membership.remove(caller(a), group, c)

    wrote, removed = await asyncio.gather(writer(), remover(), return_exceptions=True)
    assert removed is None
    assert isinstance(wrote, ApiError)
    assert wrote.code is ErrorCode.FORBIDDEN
    assert (await place.world.kinds(group))[-1] == "member_removed"


async def test_a_mode_change_holds_for_the_next_send(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    plain = SendRequest(group, "x", client_message_id="k")
    first = await place.world.sending.send(by(b), plain)
    await place.world.cases.editing.set_settings(caller(a), group, {"is_e2ee_enabled": True})
    with pytest.raises(ApiError) as refused:
        await place.world.sending.send(by(b), SendRequest(group, "x"))
    assert refused.value.code is ErrorCode.E2EE_REQUIRED
    opaque = SendRequest(group, "\x00 opaque", is_encrypted=True)
    assert (await place.world.sending.send(by(b), opaque)).message.content == "\x00 opaque"
    again = await place.world.sending.send(by(b), plain)
    assert (again.duplicate, again.message) == (True, first.message), "what was accepted stays accepted"


async def test_a_block_stops_the_direct_conversation_for_both(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    direct = (await place.world.direct(a, b)).conversation_id
    group = await place.world.group(a, b)
    await place.world.send(a, direct)
    await place.world.block(b, a)
    for user in (a, b):
        with pytest.raises(ApiError) as refused:
            await place.world.send(user, direct)
        assert refused.value.code is ErrorCode.FORBIDDEN
        await place.world.send(user, group)
    assert (await place.reading.events(by(a), direct, after_seq=0, before_seq=None, limit=9)).last_seq == 2
