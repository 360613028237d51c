"""Whoever is removed while it reads gets nothing that was written after the removal (G7)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from secureconnect.features.messages.service import EditRequest
from tests.unit.conversations.world import caller, refusal
from tests.unit.messages.desk import Desk, by, desk


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as made:
        yield made


def before_reading(
    place: Desk, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Awaitable[None]]
) -> None:
    """Let something happen once between the checks of a request and its first reading of content."""
    due = [happens]
    for name in ("events", "messages", "messages_by_id", "thread", "versions", "reactions"):
        read = getattr(place.world.timeline, name)

        async def late(*args: Any, read: Any = read, **options: Any) -> Any:
            if due:
                await due.pop()()
            return await read(*args, **options)

        monkeypatch.setattr(place.world.timeline, name, late)


@pytest.mark.parametrize("read", ["events", "messages", "around", "pins", "thread", "history", "reactors"])
async def test_what_was_edited_after_the_removal_is_not_read(
    place: Desk, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    await place.world.send(a, group)
    page = await place.reading.messages(by(a), group, cursor=None, around=None, limit=1)
    m = page.messages[0].message_id
    await place.cases.pinning.pin(by(a), group, m)

    async def removed_and_edited() -> None:
        await place.world.cases.membership.remove(caller(a), group, b)
        await place.cases.editing.edit(by(a), m, EditRequest(content="not for b"))

    cases = place.cases
    reads: dict[str, Callable[[], Awaitable[Any]]] = {
        "events": lambda: cases.reading.events(by(b), group, after_seq=0, before_seq=None, limit=10),
        "messages": lambda: cases.reading.messages(by(b), group, cursor=None, around=None, limit=10),
        "around": lambda: cases.reading.messages(by(b), group, cursor=None, around=m, limit=10),
        "pins": lambda: cases.pinning.pins(by(b), group, cursor=None, limit=10),
        "thread": lambda: cases.threads.thread(by(b), m, cursor=None, limit=10),
        "history": lambda: cases.history.versions(by(b), m, cursor=None, limit=10),
        "reactors": lambda: cases.reacting.reactors(by(b), m, emoji=None, cursor=None, limit=10),
    }
    await reads[read]()
    before_reading(place, monkeypatch, removed_and_edited)
    assert await refusal(reads[read]()) == "FORBIDDEN"
