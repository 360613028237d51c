"""Accounts as administration sees them, over the embedded store."""

from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from secureconnect.features.audit.api import AuditEntry
from secureconnect.features.users import store
from secureconnect.features.users.api import Account, AccountsWanted, Ban, NewUser, Status
from secureconnect.features.users.service import AccountRegistry, UserService
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.infra.database.base import METADATA, WriteTx
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_id
from tests.unit.passwords_only import PasswordsOnly

NOBODY: frozenset[str] = frozenset()


class Time:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.ms = 1_000_000

    def now(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000


class _Trail:
    def record_in(self, tx: WriteTx, entry: AuditEntry) -> None:
        pass

    def record(self, entry: AuditEntry) -> None:
        pass


class _Nobody:
    async def visible(self, viewer_id: str, user_ids: Collection[str]) -> Mapping[str, Status]:
        return {}


class World:
    """Accounts in a fresh store."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.database = database
        self.time = Time()
        self.users = UserService(
            database, MemoryBus(), _Trail(), self.time, _Nobody(), PasswordsOnly(), allow_http=False
        )
        self.registry = AccountRegistry(database, self.users, self.time)

    async def make(self, name: str, role: Any = "user", **columns: Any) -> str:
        """A user made at the time of the clock."""
        user = NewUser(new_id(), f"{name}@Example.test", name, "-", f"Person {name}", role, self.time.ms)

        def work(tx: WriteTx) -> None:
            self.users.create_in(tx, user)
            if columns:
                store.update_user(tx, user.user_id, columns, self.time.ms)

        await self.database.write(work)
        return user.user_id

    async def ban(self, user_id: str, until: int | None = None) -> None:
        now = self.time.ms
        await self.database.write(
            lambda tx: self.registry.ban_in(tx, Ban(new_id(), user_id, new_id(), "spam", now, until))
        )

    async def lift(self, user_id: str) -> bool:
        return await self.database.write(
            lambda tx: self.registry.lift_ban_in(tx, user_id, new_id(), self.time.ms)
        )

    async def in_force(self, user_id: str) -> Ban | None:
        return await self.database.read(lambda conn: self.users.ban_of_in(conn, user_id, self.time.ms))

    async def find(self, user_id: str) -> Account | None:
        return await self.database.read(lambda conn: self.registry.find_in(conn, user_id, self.time.ms))

    async def last_admin(self, user_id: str) -> bool:
        return await self.database.read(
            lambda conn: self.registry.is_last_admin_in(conn, user_id, self.time.ms)
        )

    async def walk(
        self, wanted: AccountsWanted, online: Collection[str] = NOBODY, limit: int = 2
    ) -> list[str]:
        """The usernames of a whole walk; every page names the same total."""
        names: list[str] = []
        after = None
        totals = set()
        while True:
            page, total = await self.registry.page(wanted, online, after=after, limit=limit)
            names += [account.record.username for account in page.items]
            totals.add(total)
            if page.after is None:
                assert totals == {len(names)}
                return names
            after = (page.after[0], page.after[1])


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    database = open_sqlite(tmp_path / "secureconnect.db")
    await database.write(lambda tx: METADATA.create_all(tx.conn, tables=[store.users, store.user_bans]))
    yield World(database)
    await database.close()


async def test_each_order_walks_every_account_once_in_both_directions(w: World) -> None:
    a = await w.make("anna", last_login_at=30)
    w.time.ms += 1
    b = await w.make("Bob", last_login_at=10)
    await w.make("carl")  # the same time as Bob's, and never logged in
    w.time.ms += 1
    await w.make("dora", last_login_at=20, state="deleted")
    await w.ban(b)
    await w.make("bot", is_bot=True)
    await w.make("gone", state="erased")

    for order, ascending in {
        "email": ["anna", "Bob", "carl", "dora"],
        "username": ["anna", "Bob", "carl", "dora"],
        "last_login_at": ["carl", "Bob", "dora", "anna"],
        "status": ["Bob", "dora", "carl", "anna"],  # banned, deleted, offline, online
    }.items():
        for limit in (1, 2, 3, 4, 5):
            found = await w.walk(AccountsWanted(order=order, descending=False), {a}, limit)  # type: ignore[arg-type]
            assert found == ascending, order
            found = await w.walk(AccountsWanted(order=order, descending=True), {a}, limit)  # type: ignore[arg-type]
            assert found == ascending[::-1], order
    newest = await w.walk(AccountsWanted())
    assert newest[0] == "dora"
    assert set(newest[1:3]) == {"Bob", "carl"}
    assert newest[3] == "anna"
    assert await w.walk(AccountsWanted(descending=False)) == newest[::-1]


async def test_an_account_has_one_status(w: World) -> None:
    a, b = await w.make("anna"), await w.make("bob")
    c, d = await w.make("carl"), await w.make("dora", state="deleted")
    await w.ban(b)
    await w.ban(d)
    online = {a, b, d}
    for status, names in {
        "online": ["anna"],
        "banned": ["bob"],
        "offline": ["carl"],
        "deleted": ["dora"],
    }.items():
        assert await w.walk(AccountsWanted(status=status), online) == names, status  # type: ignore[arg-type]
    # More people than a statement takes parameters.
    crowd = {new_id() for _ in range(40_000)} | {c}
    assert await w.walk(AccountsWanted(status="online"), crowd) == ["carl"]


async def test_a_search_takes_what_is_typed_as_text(w: World) -> None:
    await w.make("anna", display_name="Zoë Ähre")
    await w.make("bo_b", display_name="100 % sure")
    await w.make("carl")
    for typed, names in {
        "NN": ["anna"],
        "anna@example.TEST": ["anna"],
        "zoë": ["anna"],
        "äHRE": ["anna"],
        "Ähre": ["anna"],
        "_": ["bo_b"],
        "%": ["bo_b"],
        "o_b": ["bo_b"],
        "person": ["carl"],
        "example": ["anna", "bo_b", "carl"],
        "\\": [],
        "' OR 1=1 --": [],
    }.items():
        wanted = AccountsWanted(search=typed, order="username", descending=False)
        assert await w.walk(wanted) == names, typed


async def test_a_ban_ends_by_itself_or_is_lifted(w: World) -> None:
    a = await w.make("anna")
    assert await w.in_force(a) is None
    await w.ban(a, until=w.time.ms + 100)
    found = await w.in_force(a)
    assert found is not None
    assert (found.user_id, found.banned_until) == (a, w.time.ms + 100)
    with pytest.raises(ApiError) as refused:
        await w.ban(a)
    assert refused.value.code is ErrorCode.CONFLICT
    assert [record.username for record in await w.users.search("ann", after_username=None, limit=5)] == []

    w.time.ms += 99
    assert await w.in_force(a) is not None
    w.time.ms += 1
    assert await w.in_force(a) is None
    assert not await w.lift(a), "there is none in force"
    assert [record.username for record in await w.users.search("ann", after_username=None, limit=5)] == [
        "anna"
    ]
    account = await w.find(a)
    assert account is not None
    assert account.ban is None

    await w.ban(a)  # the row of the one before is put away
    account = await w.find(a)
    assert account is not None
    assert account.ban is not None
    assert account.ban.banned_until is None
    assert await w.lift(a)
    assert not await w.lift(a)
    assert await w.in_force(a) is None


async def test_the_last_admin_is_the_one_without_another_who_can_act(w: World) -> None:
    a = await w.make("anna", role="admin")
    await w.make("user")
    await w.make("deleted", role="admin", state="deleted")
    banned = await w.make("banned", role="admin")
    await w.ban(banned, until=w.time.ms + 10)
    assert await w.last_admin(a)
    w.time.ms += 10
    assert not await w.last_admin(a)
    assert not await w.last_admin(banned)


async def test_state_quota_and_verification(w: World) -> None:
    a = await w.make("anna")
    bot = await w.make("bot", is_bot=True)
    assert (await w.users.get(a)) is not None, "cached from here on"

    def change(tx: WriteTx) -> None:
        w.registry.delete_in(tx, a, 5_000_000, w.time.ms)
        w.registry.set_quota_in(tx, a, 77, w.time.ms)
        w.registry.set_verified_in(tx, a, verified=True, now=w.time.ms)

    await w.database.write(change)
    account = await w.find(a)
    assert account is not None
    assert (account.erase_at, account.storage_quota) == (5_000_000, 77)
    assert account.record.email_verified_at == w.time.ms
    record = await w.users.get(a)
    assert record is not None
    assert not record.active
    verified_at = w.time.ms

    w.time.ms += 1

    def back(tx: WriteTx) -> None:
        w.registry.restore_in(tx, a, w.time.ms)
        w.registry.set_quota_in(tx, a, None, w.time.ms)
        w.registry.set_verified_in(tx, a, verified=True, now=w.time.ms)

    await w.database.write(back)
    account = await w.find(a)
    assert account is not None
    assert (account.erase_at, account.storage_quota, account.record.active) == (None, None, True)
    assert account.record.email_verified_at == verified_at
    await w.database.write(lambda tx: w.registry.set_verified_in(tx, a, verified=False, now=w.time.ms))
    account = await w.find(a)
    assert account is not None
    assert account.record.email_verified_at is None
    assert await w.find(bot) is not None
    assert await w.find(new_id()) is None
    assert await w.database.read(w.registry.count_in) == 1


async def test_the_hit_rate_counts_what_memory_answered(w: World) -> None:
    a, b = await w.make("anna"), await w.make("bob")
    assert w.users.cache_hit_rate() == 0
    assert await w.users.get(a) is not None
    assert w.users.cache_hit_rate() == 0
    assert await w.users.get(a) is not None
    assert set(await w.users.many([a, b])) == {a, b}
    assert await w.users.get(new_id()) is None
    assert w.users.cache_hit_rate() == 40
    assert set(await w.users.many([a, b])) == {a, b}
    assert w.users.cache_hit_rate() == 57.14


async def test_nobody_can_take_what_an_erased_account_is_called_by(w: World) -> None:
    """Whoever knows the id of an account could otherwise register its last address and keep it from ever
    being erased."""
    user_id = await w.make("anna")

    def take(tx: WriteTx) -> None:
        guessed = NewUser(new_id(), f"{user_id}@erased.invalid", "mallory", "-", "M", "user", w.time.ms)
        w.users.create_in(tx, guessed)

    await w.database.write(take)
    await w.database.write(lambda tx: w.registry.erase_in(tx, user_id, w.time.ms))
    records = await w.users.many([user_id])
    assert records[user_id].state == "erased"
    assert records[user_id].email.endswith("@erased.invalid")
