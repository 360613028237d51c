"""Erasure is stopped anywhere and begun again, never begins early, and leaves a receipt once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from secureconnect.features.audit.service import AuditService
from secureconnect.features.audit.store import AuditFilter, page
from secureconnect.features.privacy.service import Erasure, erase_job
from secureconnect.features.users.api import NewUser, UserRecord
from secureconnect.features.users.service import AccountRegistry, UserService
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.infra.database.base import METADATA, WriteTx
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.infra.outbox.relational import RelationalOutbox
from secureconnect.kit.ids import new_id
from tests.unit.friends.world import Ticks
from tests.unit.passwords_only import PasswordsOnly

Pages = AsyncIterator[tuple[str, Sequence[Mapping[str, Any]]]]


class Silent:
    """Nobody measures, nobody is online."""

    def outbox(self, kind: str, pending: int, oldest_age: float) -> None:
        pass

    def audited(self, event: str, result: str) -> None:
        pass

    def denied(self, resource: str) -> None:
        pass

    async def visible(self, viewer_id: str, user_ids: Any) -> Mapping[str, Any]:
        return {}


class Things:
    """So many things of a person, erased one by one; the process stops before one of them."""

    tables = frozenset[str]()

    def __init__(self, name: str, left: int, stops_at: int | None = None) -> None:
        self.name = name
        self.left = left
        self.stops_at = stops_at
        self.begun = 0

    async def exported(self, _: str) -> Pages:
        nothing: tuple[tuple[str, Sequence[Mapping[str, Any]]], ...] = ()
        for rows in nothing:
            yield rows

    async def erased(self, _: str) -> AsyncIterator[int]:
        self.begun += 1
        while self.left:
            if self.left == self.stops_at:
                self.stops_at = None
                raise ConnectionError("the store went away")
            self.left -= 1
            yield 1


class Deletions:
    """Deletes at once."""

    def __init__(self, accounts: AccountRegistry, clock: Ticks) -> None:
        self.accounts = accounts
        self.clock = clock

    def delete_in(self, tx: WriteTx, user_id: str, *, immediate: bool) -> int:
        assert immediate
        now = self.clock.now()
        self.accounts.delete_in(tx, user_id, now, now)
        return now

    def restore_in(self, tx: WriteTx, user_id: str) -> None:
        raise AssertionError("nobody asked for that")


class World:
    """An embedded store with one account, and an erasure over `things`."""

    def __init__(self, database: SqliteDatabase, things: Sequence[Things]) -> None:
        self.database, self.clock, silent = database, Ticks(), Silent()
        self.audit = AuditService(database, silent, self.clock, retention_days=1)
        users = UserService(
            database, MemoryBus(), self.audit, self.clock, silent, PasswordsOnly(), allow_http=True
        )
        self.accounts = AccountRegistry(database, users, self.clock)
        self.users = users
        self.outbox = RelationalOutbox(database, self.clock, silent, alone=True, poll=0.01)
        deletions = Deletions(self.accounts, self.clock)
        self.erasure = Erasure(
            database, self.outbox, self.accounts, deletions, things, self.audit, self.clock
        )
        self.user_id = new_id()

    async def start(self) -> None:
        new = NewUser(self.user_id, "a@example.test", "anna", "-", "Anna", "user", self.clock.now())
        await self.database.write(lambda tx: self.users.create_in(tx, new))
        await self.erasure.start()
        await self.outbox.start()

    async def delete(self, erase_at: int) -> None:
        await self.database.write(lambda tx: self.accounts.delete_in(tx, self.user_id, erase_at, 1))

    async def ask(self, *, at_once: bool = False) -> None:
        await self.database.write(
            lambda tx: self.outbox.enqueue_in(tx, erase_job(self.user_id, at_once=at_once))
        )

    async def record(self) -> UserRecord:
        return (await self.database.read(lambda conn: self.users.many_in(conn, [self.user_id])))[self.user_id]

    async def receipts(self) -> list[str]:
        wanted = AuditFilter(event="user_erased", target_id=self.user_id)
        rows = await self.database.read(lambda conn: page(conn, wanted, after=None, limit=10))
        return [row.details for row in rows]

    async def idle(self) -> None:
        """Every job came to its end."""

        async def nothing() -> bool:
            return not any(queue.pending for queue in await self.outbox.queues())

        await until(nothing)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110 - the condition lives in the store
            await asyncio.sleep(0.005)


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[World]]]:
    database = open_sqlite(tmp_path / "a.db")
    await database.write(lambda tx: METADATA.create_all(tx.conn))
    worlds: list[World] = []

    async def make(*things: Things) -> World:
        worlds.append(World(database, things))
        await worlds[-1].start()
        return worlds[-1]

    yield make
    for world in worlds:
        await world.outbox.stop()
    await database.close()


Opened = Callable[..., Awaitable[World]]


async def test_what_is_due_is_erased_and_counted(opened: Opened) -> None:
    things = Things("shoes", 3), Things("hats", 0)
    w = await opened(*things)
    await w.delete(1)
    assert await w.erasure.queue_due() == 1
    await w.idle()
    record = await w.record()
    assert (record.state, record.display_name) == ("erased", "Deleted user")
    assert record.email.endswith("@erased.invalid")
    assert await w.receipts() == ['{"shoes":"3","hats":"0"}']
    assert await w.erasure.queue_due() == 0
    new = NewUser(new_id(), "A@example.test", "Anna", "-", "Anna", "user", 5)
    await w.database.write(lambda tx: w.users.create_in(tx, new))


async def test_one_that_is_stopped_begins_again_and_the_account_stays_taken(opened: Opened) -> None:
    first, second = Things("shoes", 4, stops_at=2), Things("hats", 2, stops_at=2)
    w = await opened(first, second)
    w.clock.step = 50  # time passes, so that what was put off comes soon
    await w.delete(1)
    await w.ask()

    async def stopped() -> bool:
        return first.stops_at is None

    await until(stopped)
    assert (await w.record()).state == "deleted"
    assert await w.receipts() == []
    await w.idle()
    assert (first.left, second.left) == (0, 0)
    assert first.begun == 3
    assert (await w.record()).state == "erased"
    assert len(await w.receipts()) == 1


async def test_nobody_is_erased_who_is_active_or_not_due(opened: Opened) -> None:
    things = Things("shoes", 1)
    w = await opened(things)
    await w.ask()
    await w.idle()
    assert ((await w.record()).state, things.begun) == ("active", 0)
    await w.delete(w.clock.at + 3_600_000)
    assert await w.erasure.queue_due() == 0
    await w.ask()

    async def put_off() -> bool:
        def read(conn: Any) -> bool:
            return bool(conn.exec_driver_sql("SELECT count(last_error) FROM outbox").scalar_one())

        return await w.database.read(read)

    await until(put_off)
    assert ((await w.record()).state, things.begun) == ("deleted", 0)
    w.clock.at += 3_600_000
    w.outbox.wake("erase")
    await w.idle()
    assert ((await w.record()).state, things.left) == ("erased", 0)


async def test_the_operator_waits_for_no_delay(opened: Opened) -> None:
    things = Things("shoes", 1)
    w = await opened(things)
    await w.ask(at_once=True)
    await w.idle()
    assert ((await w.record()).state, things.left) == ("erased", 0)
    await w.ask(at_once=True)
    await w.idle()
    assert len(await w.receipts()) == 1
