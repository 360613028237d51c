"""Which appends become a batch, and in which order."""

import asyncio
from collections.abc import Sequence

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

    async def run(self, sends: Sequence[Send]) -> Sequence[Appended | BaseException]:
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


async def test_a_batch_waits_for_company_as_long_as_it_is_told() -> None:
    """What comes while it waits is in it; what is not worth waiting for is not waited for."""
    for pause, expected in ((0.2, [["1", "2"]]), (0.0001, [["1"], ["2"]])):
        engine = Engine()
        queue = Batches(
            engine.run,
            lane=lambda each: each.event.conversation_id,
            once=repeated,
            pause=lambda pause=pause: pause,  # type: ignore[misc]
        )
        first = asyncio.create_task(queue.add(named(new_id(), "1")))
        for _ in range(10):  # turns of the loop
            await asyncio.sleep(0)
        second = asyncio.create_task(queue.add(named(new_id(), "2")))
        await asyncio.gather(first, second, return_exceptions=True)
        assert engine.batches == expected
