"""Which appends become a batch, and in which order."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from secureconnect.infra.timeline.base import Appended
from secureconnect.infra.timeline.batches import Batches
from secureconnect.infra.timeline.postgres_append import Send, repeated
from secureconnect.kit.ids import new_id
from tests.contract.timeline_world import send

SENDER = new_id()


class Engine:
    """Notes what it was asked to write, and refuses all of it."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    async def run(self, sends: Sequence[Send], _: Callable[[], None]) -> Sequence[Appended | BaseException]:
        self.batches.append([content(waiting) for waiting in sends])
        await asyncio.sleep(0)
        return [ValueError("refused")] * len(sends)


def content(waiting: Send) -> str:
    message = waiting.event.message
    assert message is not None
    assert message.content is not None
    return message.content


def named(conversation: str, text: str, client_id: str | None = None) -> Send:
    return Send(send(conversation, sender_id=SENDER, client_message_id=client_id, content=text), 0, ())


async def batches(*sends: Send) -> list[list[str]]:
    engine = Engine()
    queue = Batches(engine.run, lane=lambda each: each.event.conversation_id, once=repeated)
    refused = await asyncio.gather(*(queue.add(each) for each in sends), return_exceptions=True)
    assert all(isinstance(outcome, ValueError) for outcome in refused)
    return engine.batches


async def test_what_waits_at_one_moment_is_one_batch() -> None:
    one, two = new_id(), new_id()
    assert await batches(named(one, "1"), named(two, "2"), named(one, "3")) == [["1", "2", "3"]]


async def test_a_repeat_waits_for_the_first() -> None:
    one = new_id()
    assert await batches(named(one, "1", "a"), named(one, "2", "a")) == [["1"], ["2"]]


async def test_what_follows_a_repeat_in_its_conversation_stays_behind_it() -> None:
    """The first may be refused: then the repeat is the one that is written."""
    one, two = new_id(), new_id()
    sends = [named(one, "1", "a"), named(one, "2", "a"), named(one, "3"), named(two, "4")]
    assert await batches(*sends) == [["1", "4"], ["2", "3"]]


async def test_a_batch_that_makes_way_holds_up_its_own_conversations_alone() -> None:
    one, two = new_id(), new_id()
    going_on = asyncio.Event()
    begun: list[list[str]] = []

    async def run(sends: Sequence[Send], make_way: Callable[[], None]) -> Sequence[Appended | BaseException]:
        begun.append([content(waiting) for waiting in sends])
        make_way()
        if begun[0] is begun[-1]:
            await going_on.wait()
        return [ValueError("done")] * len(sends)

    queue = Batches(run, lane=lambda each: each.event.conversation_id, once=repeated)
    first = asyncio.create_task(queue.add(named(one, "1")))
    while not begun:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    behind = asyncio.create_task(queue.add(named(one, "2")))
    with pytest.raises(ValueError, match="done"):
        await queue.add(named(two, "3"))
    assert begun == [["1"], ["3"]]
    going_on.set()
    await queue.close()
    assert begun == [["1"], ["3"], ["2"]]
    await asyncio.gather(first, behind, return_exceptions=True)
