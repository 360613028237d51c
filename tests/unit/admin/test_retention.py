"""Retention over the embedded store: whose events go, in which steps, and who is told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from secureconnect.features.admin.service import Admin, Removed, Retention, RetentionLimits, Trail
from secureconnect.features.conversations.api import CatalogueEntry
from secureconnect.features.conversations.service import ConversationCatalogue
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import NewEvent, NewMessage, Trimmed
from secureconnect.kit.ids import new_time_id
from tests.unit.conversations.world import CONTEXT, World, caller, world

DAY = 24 * 3600 * 1000


class Told:
    """A feature that keeps something about messages."""

    def __init__(self) -> None:
        self.batches: list[Trimmed] = []

    def purged_in(self, tx: WriteTx, trimmed: Trimmed) -> None:
        tx.after_commit(lambda: self.batches.append(trimmed))


class Wavering(ConversationCatalogue):
    """Members change their mind: events stay for good after `looks` looks at the conversation."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def find_in(self, conn: Connection, conversation_id: str) -> CatalogueEntry | None:
        found = super().find_in(conn, conversation_id)
        self.looks -= 1
        if found is None or self.looks >= 0:
            return found
        return CatalogueEntry(conversation_id, "group", 2, found.created_at, False, 0)


class Office:
    """Retention in a world of conversations."""

    def __init__(self, w: World) -> None:
        self.w = w
        self.told = Told()
        self.admin = Admin(caller("a" * 36).principal, CONTEXT)

    def retention(
        self, default: int = 0, most: int = 0, catalogue: ConversationCatalogue | None = None
    ) -> Retention:
        return Retention(
            database=self.w.database,
            timeline=self.w.timeline,
            catalogue=catalogue or ConversationCatalogue(),
            purged=[self.told],
            audit=self.w.trail,
            trail=Trail(self.w.trail),
            clock=self.w.clock,
            limits=RetentionLimits(default, most),
        )

    async def fill(self, conversation_id: str, days: float, count: int = 1) -> None:
        """Messages of some days ago."""
        at = self.w.clock.now() - round(days * DAY)

        def work(tx: WriteTx) -> None:
            for _ in range(count):
                message = NewMessage("b" * 36, None, "hello", False, "text", {})
                event = NewEvent(
                    conversation_id, new_time_id(), "message_created", "b" * 36, at, message=message
                )
                self.w.timeline.append_in(tx, event)

        await self.w.database.write(work)

    async def group(self, *days: float, **settings: Any) -> str:
        """A conversation, with one message for each of `days` ago; nothing else is in its log."""
        a, b = await self.w.people("a", "b")
        key = await self.w.group(a, b, **settings)
        await self.w.database.write(lambda tx: self.w.timeline.trim_in(tx, key, self.w.clock.now() + 1, 10))
        for ago in days:
            await self.fill(key, ago)
        return key

    async def left(self, conversation_id: str) -> int:
        return len(await self.w.log(conversation_id))


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with world(tmp_path) as made:
        yield Office(made)


async def test_each_conversation_decides_within_what_the_server_allows(office: Office) -> None:
    none, five, hundred = (
        await office.group(200, 50, 6, 4, 1),
        await office.group(200, 50, 6, 4, 1, message_retention_days=5),
        await office.group(200, 50, 6, 4, 1, message_retention_days=100),
    )

    async def after(retention: Retention) -> tuple[Removed, list[int]]:
        removed = await retention.run(office.admin, dry_run=False)
        return removed, [await office.left(key) for key in (none, five, hundred)]

    removed, left = await after(office.retention())
    assert (removed.conversations, removed.events, left) == (2, 4, [5, 2, 4])
    removed, left = await after(office.retention(default=60))
    assert (removed.conversations, removed.events, left) == (1, 1, [4, 2, 4])
    removed, left = await after(office.retention(most=10))
    assert (removed.conversations, removed.events, left) == (2, 2, [3, 2, 3])
    removed, left = await after(office.retention(default=2, most=10))
    assert (removed.conversations, removed.events, left) == (1, 2, [1, 2, 3])
    assert await after(office.retention(default=2, most=10)) == (Removed(), [1, 2, 3])


async def test_many_events_go_in_steps_of_a_thousand(office: Office) -> None:
    key = await office.group(message_retention_days=1)
    await office.fill(key, 3, 2300)
    await office.fill(key, 0, 5)
    retention = office.retention()
    dry = await retention.run(office.admin, dry_run=True)
    assert (dry.conversations, dry.events, dry.bytes) == (1, 2300, 2300 * 7)
    assert (await office.left(key), office.told.batches) == (2305, [])
    assert await retention.run(office.admin, dry_run=False) == dry
    assert [len(batch.message_ids) for batch in office.told.batches] == [1000, 1000, 300]
    assert {batch.conversation_id for batch in office.told.batches} == {key}
    assert await office.left(key) == 5
    records = [entry for entry in office.w.trail.entries if entry.event == "retention_run"]
    assert [record.details["dry_run"] for record in records] == ["true", "false"]
    assert {record.details["events"] for record in records} == {"2300"}
    assert {record.actor_id for record in records} == {office.admin.principal.user_id}


async def test_a_limit_that_is_lifted_meanwhile_counts(office: Office) -> None:
    key = await office.group(message_retention_days=1)
    await office.fill(key, 3, 2300)
    removed = await office.retention(catalogue=Wavering(1)).run(office.admin, dry_run=False)
    assert removed.events == 1000
    assert await office.left(key) == 1300


async def test_the_job_writes_down_what_it_removed(office: Office) -> None:
    key = await office.group(3, 0, message_retention_days=1)
    retention = office.retention()
    assert await retention.sweep() == 1
    assert await office.left(key) == 1
    assert await retention.sweep() == 0
    (record,) = [entry for entry in office.w.trail.entries if entry.event == "retention_run"]
    assert (record.actor_type, record.actor_id, record.details["events"]) == ("system", None, "1")
