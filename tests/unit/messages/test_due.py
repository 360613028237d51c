"""What is due: one that cannot be done holds up no other, and more than one batch goes in one turn."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from secureconnect.features.messages.service.scheduling import ScheduleChange, ScheduleRequest
from secureconnect.infra.database.base import WriteTx
from tests.unit.messages.desk import Desk, by, desk


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as made:
        yield made


async def schedule(place: Desk, user: str, group: str, *texts: str) -> list[str]:
    made = []
    for said in texts:
        request = ScheduleRequest(group, said, send_at=place.world.clock.now() + 20_000)
        made.append((await place.cases.scheduling.schedule(by(user), request)).scheduled_id)
    return made


async def contents(place: Desk, user: str, group: str) -> list[str]:
    page = await place.reading.messages(by(user), group, cursor=None, around=None, limit=100)
    return [message.content for message in page.messages[::-1]]


async def test_a_scheduled_message_that_cannot_be_read_holds_up_no_other(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    (broken, *_) = await schedule(place, a, group, "broken", "one", "two")

    def damage(tx: WriteTx) -> None:
        tx.run("UPDATE scheduled_messages SET body = '{' WHERE scheduled_id = ?", (broken,))

    await place.world.database.write(damage)
    place.world.clock.at += 30_000
    assert await place.cases.scheduling.send_due() == 2
    assert await contents(place, a, group) == ["one", "two"]


async def test_all_that_is_due_goes_in_one_turn(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    told = [f"{number}" for number in range(70)]
    await schedule(place, a, group, *told)
    place.world.clock.at += 30_000
    assert await place.cases.scheduling.send_due() == 70
    assert await contents(place, a, group) == told
    assert await place.cases.scheduling.send_due() == 0


async def test_two_changes_at_once_are_both_kept(place: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    (waiting,) = await schedule(place, a, group, "first")
    scheduling = place.cases.scheduling
    check, others = place.cases.sending.check, [ScheduleChange(metadata={"n": "1"})]

    async def overtaken(*args: Any) -> None:
        await check(*args)
        if others:
            await scheduling.change(by(a), waiting, others.pop())

    monkeypatch.setattr(place.cases.sending, "check", overtaken)
    changed = await scheduling.change(by(a), waiting, ScheduleChange(content="second"))
    assert (changed.content, changed.metadata) == ("second", {"n": "1"})


async def test_an_expired_message_that_cannot_be_deleted_holds_up_no_other(
    place: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b, message_ttl_seconds=5)
    for said in ("one", "two"):
        await place.world.send(a, group, said)
    erase, failing = place.world.timeline.delete_in, ["one"]

    def delete_in(tx: WriteTx, message: Any, **how: Any) -> Any:
        if message.content in failing:
            raise RuntimeError(message.content)
        return erase(tx, message, **how)

    monkeypatch.setattr(place.world.timeline, "delete_in", delete_in)
    place.world.clock.at += 10_000
    await place.cases.expiring.delete_expired()
    assert await contents(place, a, group) == ["one", ""]
    failing.clear()
    assert await place.cases.expiring.delete_expired() == 1
    assert await contents(place, a, group) == ["", ""]
