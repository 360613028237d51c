"""The friends feature over a real embedded store, with neighbours that write down what they are told."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Row, select

from secureconnect.features.audit.api import AuditEntry
from secureconnect.features.friends import store
from secureconnect.features.friends.rules import FriendLimits
from secureconnect.features.friends.service import Blocks, Friendships, PairLog, People, Relations
from secureconnect.features.users.api import NewUser, Status
from secureconnect.features.users.service import UserService
from secureconnect.features.users.store import user_bans, users
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.infra.database.base import METADATA, WriteTx
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.kit.hints import Hint, PresenceChanged
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import Principal, RequestContext
from tests.unit.passwords_only import PasswordsOnly

__all__ = ["CONTEXT", "Ticks", "World", "caller", "world"]

CONTEXT = RequestContext("request", "127.0.0.1")


class Ticks:
    """A clock that is `step` milliseconds later at every look."""

    def __init__(self) -> None:
        self.at = 1_700_000_000_000
        self.step = 1

    def now(self) -> int:
        self.at += self.step
        return self.at

    def monotonic(self) -> float:
        return self.at / 1000


class _Trail:
    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    def record_in(self, tx: WriteTx, entry: AuditEntry) -> None:
        tx.after_commit(lambda: self.entries.append(entry))

    def record(self, entry: AuditEntry) -> None:
        self.entries.append(entry)


class _EverybodyOnline:
    async def visible(self, viewer_id: str, user_ids: Collection[str]) -> Mapping[str, Status]:
        return dict.fromkeys(user_ids, "online")


class _HeardBus(MemoryBus):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, Hint]] = []

    def publish(self, channel: str, hint: Hint) -> None:
        if isinstance(hint, PresenceChanged):
            self.heard.append((channel, hint))
        super().publish(channel, hint)


class World(NamedTuple):
    """Use cases, and what they did: audit entries, presence hints, and pairs told within a transaction."""

    database: SqliteDatabase
    clock: Ticks
    users: UserService
    people: People
    friendships: Friendships
    blocks: Blocks
    relations: Relations
    trail: list[AuditEntry]
    heard: list[tuple[str, Hint]]
    changed: list[tuple[str, str]]

    async def join(self, *usernames: str) -> list[str]:
        """New users; their display names are `Person <username>`."""
        names = {new_id(): username for username in usernames}

        def work(tx: WriteTx) -> None:
            for user_id, name in names.items():
                email = f"{user_id}@example.test"
                self.users.create_in(tx, NewUser(user_id, email, name, "-", f"Person {name}", "user", 1))

        await self.database.write(work)
        return list(names)

    async def befriend(self, a: str, b: str) -> None:
        """Make the two friends."""
        await self.friendships.ask(caller(a), CONTEXT, b)
        await self.friendships.accept(caller(b), CONTEXT, a)

    async def rows(self) -> list[Row[tuple[str, str, str, str, int, int]]]:
        """Every row of `friendships`."""
        return await self.database.read(lambda conn: list(conn.execute(select(*store.friendships.c)).all()))

    async def gone(self, user_id: str) -> None:
        """Let an account be deleted."""

        def work(tx: WriteTx) -> None:
            tx.conn.execute(users.update().where(users.c.user_id == user_id).values(state="deleted"))

        await self.database.write(work)


def caller(user_id: str) -> Principal:
    """Somebody with a session."""
    return Principal(user_id, new_id(), new_id(), "user", 0)


@asynccontextmanager
async def world(path: Path, limits: FriendLimits | None = None) -> AsyncIterator[World]:
    """A store in the directory `path` with nobody in it."""
    database = open_sqlite(path / "secureconnect.db")
    tables = [users, user_bans, store.friendships, store.blocks]
    await database.write(lambda tx: METADATA.create_all(tx.conn, tables=tables))
    bus, trail, clock = _HeardBus(), _Trail(), Ticks()
    changed: list[tuple[str, str]] = []

    def pair_changed(tx: WriteTx, a: str, b: str) -> None:
        tx.after_commit(lambda: changed.append((a, b)))

    known = UserService(database, bus, trail, clock, _EverybodyOnline(), PasswordsOnly(), allow_http=False)
    await known.start()
    log = PairLog(trail, bus)
    try:
        yield World(
            database=database,
            clock=clock,
            users=known,
            people=People(database, known),
            friendships=Friendships(database, known, log, clock, limits or FriendLimits(5000, 200)),
            blocks=Blocks(database, known, log, clock, [pair_changed]),
            relations=Relations(database),
            trail=trail.entries,
            heard=bus.heard,
            changed=changed,
        )
    finally:
        await database.close()
