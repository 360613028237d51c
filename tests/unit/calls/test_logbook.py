"""Calls while the timeline is away, and what they say once it is back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from secureconnect.features.calls.rules import OWED
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.conversations.world import CONTEXT

from .world import World, as_, world


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


async def said(w: World, g: str) -> list[str]:
    """The kinds of the events of calls, in order."""
    log = await w.place.timeline.events(g, after_seq=0, limit=100)
    return [event.kind for event in log if event.kind.startswith("call")]


async def paid(w: World) -> None:
    """The timeline is back, and all jobs are done."""
    w.timeline.away = False
    await w.outbox.start()
    async with asyncio.timeout(20):
        while any(queue.pending for queue in await w.outbox.queues()):  # noqa: ASYNC110 - in the store
            await asyncio.sleep(0.005)
    await w.outbox.stop()


async def test_a_call_begins_and_ends_and_is_told_of_later(w: World) -> None:
    g, (ann, ben) = await w.group("ann", "ben")
    w.timeline.away = True
    call_id = await w.ring(g, ann, ben)
    await w.join(call_id, ben)
    assert (await w.talk(call_id)).call.status == "active"
    w.later(7)
    assert (await w.answering.end(as_(ann), CONTEXT, call_id)).duration == 7
    assert (await w.talk(call_id)).call.seq == OWED
    assert await said(w, g) == []
    await paid(w)
    assert await said(w, g) == ["call_started", "call_ended"]
    log = await w.place.timeline.events(g, after_seq=0, limit=100)
    begun, over = [event for event in log if event.kind.startswith("call")]
    assert (await w.talk(call_id)).call.seq == begun.seq
    assert (begun.actor_id, over.actor_id) == (ann, None)
    assert msgspec.json.decode(begun.data)["invited"] == [ben]
    ended = msgspec.json.decode(over.data)
    assert (ended["status"], ended["duration"], set(ended["participants"])) == ("ended", 7, {ann, ben})


async def test_the_beginning_comes_before_whatever_is_said_first(w: World) -> None:
    """The timeline is back before the job had its turn."""
    g, (ann, ben) = await w.group("ann", "ben")
    w.timeline.away = True
    call_id = await w.ring(g, ann, ben)
    w.timeline.away = False
    await w.join(call_id, ben)
    assert await said(w, g) == []
    await w.answering.end(as_(ann), CONTEXT, call_id)
    assert await said(w, g) == ["call_started", "call_ended"]
    await paid(w)
    assert await said(w, g) == ["call_started", "call_ended"]


async def test_only_the_end_is_owed(w: World) -> None:
    g, (ann, ben) = await w.group("ann", "ben")
    call_id = await w.ring(g, ann, ben)
    w.timeline.away = True
    await w.answering.decline(as_(ben), CONTEXT, call_id, None)
    assert await said(w, g) == ["call_started"]
    await paid(w)
    assert await said(w, g) == ["call_started", "call_ended"]
    again = await w.ring(g, ann, ben)
    assert (await w.talk(again)).call.seq != OWED


async def test_strangers_stay_out_and_one_call_at_a_time(w: World) -> None:
    g, (ann, ben) = await w.group("ann", "ben")
    (eve,) = await w.place.people("eve")
    w.timeline.away = True
    with pytest.raises(ApiError) as refused:
        await w.ring(g, eve, ann)
    assert refused.value.code is ErrorCode.FORBIDDEN
    await w.ring(g, ann, ben)
    with pytest.raises(ApiError) as refused:
        await w.ring(g, ben, ann)
    assert refused.value.code is ErrorCode.CALL_ALREADY_ACTIVE


async def test_nobody_is_recorded_who_could_not_be_told(w: World) -> None:
    g, (ann, ben) = await w.group("ann", "ben")
    call_id = await w.ring(g, ann, ben)
    await w.join(call_id, ben)
    w.timeline.away = True
    with pytest.raises(ApiError) as refused:
        await w.presences.show(as_(ann), CONTEXT, call_id, {"recording": True})
    assert refused.value.code is ErrorCode.TIMELINE_UNAVAILABLE
    assert not (await w.person(call_id, ann)).recording
