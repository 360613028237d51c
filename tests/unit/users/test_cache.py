"""Cached records are those that hold, also when a change comes while one is being read."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.auth.world import HERE, World, world


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


class SlowLookup:
    """Reads at once and answers when told to."""

    def __init__(self, w: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read, self.answer = asyncio.Event(), asyncio.Event()
        self._lookup: Callable[..., Awaitable[Any]] = w.database.lookup
        self._w, self._monkeypatch = w, monkeypatch
        monkeypatch.setattr(w.database, "lookup", self._slow)

    async def _slow(self, work: Callable[..., Any]) -> Any:
        found = await self._lookup(work)
        self.read.set()
        await self.answer.wait()
        return found

    def quick(self) -> None:
        """From now on as before; what waits goes on waiting."""
        self._monkeypatch.setattr(self._w.database, "lookup", self._lookup)


async def test_a_record_read_before_a_change_is_not_kept_after_it(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, tokens = await w.join("ann")
    caller = await w.access.authenticate(tokens.access_token)
    await w.users.update(caller, HERE, {"about": "one"}, {})
    slow = SlowLookup(w, monkeypatch)
    reading = asyncio.create_task(w.users.get(record.user_id))
    await slow.read.wait()
    slow.quick()
    await w.users.update(caller, HERE, {"about": "two"}, {})
    slow.answer.set()
    await reading
    found = await w.users.get(record.user_id)
    assert found is not None
    assert found.about == "two"


async def test_a_session_that_ends_while_it_is_checked_has_ended(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tokens = await w.join("ann")
    caller = await w.access.authenticate(tokens.access_token)
    w.clock.move(seconds=6)
    slow = SlowLookup(w, monkeypatch)
    checking = asyncio.create_task(w.access.authenticate(tokens.access_token))
    await slow.read.wait()
    slow.quick()
    await w.sessions.end(caller, HERE, caller.session_id, "logout")
    slow.answer.set()
    await asyncio.gather(checking, return_exceptions=True)
    with pytest.raises(ApiError) as caught:
        await w.access.authenticate(tokens.access_token)
    assert caught.value.code is ErrorCode.TOKEN_REVOKED


async def test_unchanged_records_are_read_once(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    record, _ = await w.join("ann")
    first = await w.users.get(record.user_id)

    async def fail(_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(w.database, "lookup", fail)
    assert await w.users.get(record.user_id) is first
    assert list(await w.users.many([record.user_id])) == [record.user_id]


async def test_a_failed_change_drops_nothing_and_changes_nothing(w: World) -> None:
    record, tokens = await w.join("ann")
    await w.join("ben")
    caller = await w.access.authenticate(tokens.access_token)
    before = await w.users.get(record.user_id)
    with pytest.raises(ApiError) as caught:
        await w.users.update(caller, HERE, {"username": "BEN", "about": "x"}, {})
    assert (caught.value.code, [detail.field for detail in caught.value.details]) == (
        ErrorCode.CONFLICT,
        ["username"],
    )
    assert await w.users.get(record.user_id) is before
    # One's own name in other letters is no conflict.
    changed = await w.users.update(caller, HERE, {"username": "Ann"}, {"show_presence": False})
    assert (changed.username, changed.privacy.show_presence) == ("Ann", False)
    assert changed.privacy.send_read_receipts
