"""The index follows the timeline: at once for whoever searches, also after crashes and faults."""

import asyncio

import pytest

from secureconnect.features.search.service import feeding
from secureconnect.features.search.tasks import Sweeper, tasks
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.search.world import World


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - plain state of this process
            await asyncio.sleep(0.005)


async def complete(w: World) -> None:
    """Wait until everything that was there before is added."""

    async def added() -> bool:
        progress = await w.index.progress()
        return progress is not None and progress.older_than is None

    async with asyncio.timeout(10):
        while not await added():  # noqa: ASYNC110 - it lives in a file
            await asyncio.sleep(0.005)


async def test_whoever_searches_finds_everything_before(w: World) -> None:
    await w.feeder.start()
    ids: list[str] = []
    for number in range(20):
        ids += await w.say(f"hello {number}")
        assert await w.found("hello") == ids[::-1]
    await w.edit(ids[3], "changed")
    assert await w.found("changed") == [ids[3]]
    await w.delete(ids[3])
    assert await w.found("changed") == []
    assert ids[3] not in await w.found("hello")


async def test_messages_wait_for_company(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many messages are one write, unless a batch is full."""
    monkeypatch.setattr(feeding, "_LINGER", 60.0)
    monkeypatch.setattr(feeding, "_BATCH", 8)
    await w.feeder.start()
    await w.feeder.caught_up()
    ids = await w.say(*("hello" for _ in range(7)))
    await asyncio.sleep(0)
    assert w.index.writes == []
    ids += await w.say("hello")
    await until(lambda: w.index.writes == [8])
    ids += await w.say("hello")
    assert await w.found("hello") == ids[::-1]
    assert w.index.writes == [8, 1]


async def test_a_batch_is_bounded_in_text_too(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "_BATCH_CHARS", 100)
    await w.feeder.start()
    await w.feeder.caught_up()
    w.index.may_write.clear()
    ids = await w.say(*(f"{'x' * 60} {number}" for number in range(5)))
    w.index.may_write.set()
    assert await w.found("x") == ids[::-1]
    assert max(w.index.writes) <= 2


async def test_what_was_lost_in_a_crash_is_found_again(w: World) -> None:
    await w.feeder.start()
    ids = await w.say("one", "two", "three")
    assert len(await w.found("")) == 3
    # The process is gone before the next ones are written: its feeder never hears of them.
    w.timeline.listen(lambda events: None)
    ids += await w.say("four", "five")
    await w.edit(ids[0], "uno")
    await w.delete(ids[1])
    await w.feeder.stop()
    await w.new_feeder().start()
    assert await w.found("") == [ids[4], ids[3], ids[2], ids[0]]
    assert (await w.found("uno"), await w.found("one")) == ([ids[0]], [])
    assert w.index.begun == 1


async def test_what_was_there_before_is_added_newest_first(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old messages that change meanwhile are found as they are; new ones come on top."""
    monkeypatch.setattr(feeding, "_BATCH", 5)
    ids = await w.say(*(f"old {number}" for number in range(23)))
    w.new_feeder()
    w.index.may_write.clear()
    await w.feeder.start()
    await until(lambda: w.index.begun)
    await w.edit(ids[2], "edited early")
    await w.delete(ids[1])
    new = await w.say("old but new")
    w.index.may_write.set()
    await w.feeder.caught_up()
    assert (await w.found("old"))[:6] == [new[0], *ids[:-6:-1]]
    await w.edit(ids[4], "edited late")
    await w.delete(ids[3])
    await complete(w)
    assert await w.found("old") == [new[0], *(one for one in ids[::-1] if one not in ids[1:5])]
    assert await w.found("edited") == [ids[4], ids[2]]


async def test_adding_goes_on_after_a_stop(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "_BATCH", 5)
    ids = await w.say(*("old" for _ in range(23)))
    w.new_feeder()
    await w.feeder.start()
    await until(lambda: len(w.index.older) >= 2)
    await w.feeder.stop()
    assert len(w.index.older) < 6
    await w.new_feeder().start()
    await complete(w)
    assert await w.found("old") == ids[::-1]
    assert w.index.begun == 1


async def test_an_index_of_another_database_is_made_anew(w: World, caplog: pytest.LogCaptureFixture) -> None:
    """The database was put back to a state in which the newest indexed message does not exist."""
    await w.feeder.start()
    ids = await w.say("hello")
    assert await w.found("hello") == ids
    await w.feeder.stop()
    progress = await w.index.progress()
    assert progress is not None
    await w.index.put([], [], upto=progress.upto + 3_600_000)
    await w.new_feeder().start()
    assert await w.found("hello") == ids
    assert w.index.begun == 2


async def test_faults_of_the_index_lose_nothing(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "_PATIENCE", 0.05)
    monkeypatch.setattr(feeding, "_RETRY_FIRST", 0.01)
    await w.feeder.start()
    await w.feeder.caught_up()
    w.index.broken = True
    ids = await w.say("hello", "hello")
    with pytest.raises(ApiError) as refused:
        await w.found("hello")
    assert refused.value.code is ErrorCode.SERVICE_UNAVAILABLE
    ids += await w.say("hello")
    w.index.broken = False
    monkeypatch.setattr(feeding, "_PATIENCE", 10.0)
    assert await w.found("hello") == ids[::-1]


async def test_more_than_may_wait_is_read_again(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "_MOST_WAITING", 10)
    monkeypatch.setattr(feeding, "_RETRY_FIRST", 0.01)
    await w.feeder.start()
    ids = await w.say("hello")
    assert await w.found("hello") == ids
    w.index.broken = True
    other = await w.open()
    for _ in range(25):
        ids += await w.say("hello")
        await w.say("hello", conversation_id=other)
    w.index.broken = False
    assert await w.found("hello") == ids[::-1]
    assert w.index.begun == 1


async def test_too_much_that_was_missed_is_a_new_index(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "_MOST_MISSED", 10)
    await w.feeder.start()
    await w.feeder.caught_up()
    await w.feeder.stop()
    w.timeline.listen(lambda events: None)
    ids = await w.say(*("hello" for _ in range(30)))
    await w.new_feeder().start()
    assert await w.found("hello") == ids[::-1]
    assert w.index.begun == 2


async def test_what_left_the_timeline_is_swept_out(w: World) -> None:
    await w.feeder.start()
    ids = await w.say("hello")
    gone = await w.open()
    await w.say("hello", "hello", conversation_id=gone)
    await w.feeder.caught_up()
    sweeper = Sweeper(w.index, w.timeline)
    assert await sweeper.sweep() == 0
    while await w.timeline.erase(gone, 100):
        pass
    assert await sweeper.sweep() == 2
    assert await sweeper.sweep() == 0
    assert list(await w.index.conversations(after=None, limit=9)) == [w.conversation_id]
    assert await w.found("hello") == ids
    for task in tasks(w.index, sweeper):
        assert await task.run() == 0


async def test_what_a_dead_process_committed_is_written(w: World) -> None:
    await w.feeder.start()
    await w.feeder.caught_up()
    listening = w.feeder.committed
    w.timeline.listen(lambda _events: None)  # another process commits
    ids = await w.say("hello from the dead")
    assert await w.found("hello") == []
    await w.feeder.missed(w.clock.now() - 1000)
    assert await w.found("hello") == ids
    w.timeline.listen(listening)
    ids += await w.say("hello again")
    assert await w.found("hello") == ids[::-1]
