"""Conversations over a real embedded store, with real neighbours where they decide something."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select, update

from secureconnect.features.audit.api import AuditEntry
from secureconnect.features.conversations.api import Conversation, Facts
from secureconnect.features.conversations.rules import ConversationLimits
from secureconnect.features.conversations.service import (
    Caller,
    FactsCache,
    Filter,
    Neighbours,
    UseCases,
    Views,
    Wanted,
    use_cases,
)
from secureconnect.features.conversations.store.tables import conversation_participants
from secureconnect.features.friends import store as friends_store
from secureconnect.features.friends.rules import FriendLimits
from secureconnect.features.friends.service import Blocks, Friendships, PairLog, Relations
from secureconnect.features.messages.rules import MessageLimits
from secureconnect.features.messages.service import (
    Poster,
    SenderNames,
    SendRequest,
    SendService,
    TimelineView,
)
from secureconnect.features.users.api import NewUser, Privacy, Status
from secureconnect.features.users.service import UserService
from secureconnect.features.users.store import users as users_table
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.infra.crypto.sealing import Sealer
from secureconnect.infra.database.base import METADATA, WriteTx
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.infra.timeline.base import StoredEvent
from secureconnect.infra.timeline.relational import RelationalTimeline
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import Hint
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import Principal, RequestContext
from tests.unit.messages.fakes import NO_FILES, NobodyOnline, NoPolls
from tests.unit.passwords_only import PasswordsOnly

__all__ = ["CONTEXT", "Clock", "World", "caller", "refusal", "world"]

CONTEXT = RequestContext("request", "127.0.0.1")
_FRIENDS = (friends_store.friendships, friends_store.blocks)


class Clock:
    """A clock that is one millisecond later at every look, and can be moved."""

    def __init__(self) -> None:
        self.at = 1_700_000_000_000
        self.seconds = 0.0

    def now(self) -> int:
        self.at += 1
        return self.at

    def monotonic(self) -> float:
        return self.seconds


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
        self.heard.append((channel, hint))
        super().publish(channel, hint)


class Pictures:
    """Makes pictures of every file but those in `refused`, and remembers what it was asked."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str]] = []
        self.gone: list[str] = []
        self.refused: set[str] = set()

    async def make(self, caller: Principal, context: RequestContext, file_id: str) -> None:
        if file_id in self.refused:
            raise ApiError(ErrorCode.NOT_FOUND)
        self.made.append((caller.user_id, file_id))

    def dropped(self, file_id: str) -> None:
        self.gone.append(file_id)


class World:
    """The feature, its neighbours, and what they were told."""

    def __init__(self, database: SqliteDatabase, limits: ConversationLimits) -> None:
        self.database = database
        self.clock = Clock()
        self.bus = _HeardBus()
        self.trail = _Trail()
        self.timeline = RelationalTimeline(database)
        self.users = UserService(
            database, self.bus, self.trail, self.clock, _EverybodyOnline(), PasswordsOnly(), allow_http=False
        )
        relations = Relations(database)
        names = SenderNames(self.users)
        self.facts = FactsCache(database, self.timeline, self.bus, relations, self.clock)
        self.views = Views(
            database,
            self.timeline,
            self.users,
            TimelineView(database, self.timeline, self.facts, names, NoPolls()),
            self.clock,
            unread_cap=limits.unread_cap,
        )
        self.neighbours = Neighbours(database, self.timeline, self.bus, self.clock, self.facts, self.views)
        self.pictures = Pictures()
        sealer = Sealer(bytes(32))
        self.cases: UseCases = use_cases(
            database=database,
            timeline=self.timeline,
            bus=self.bus,
            audit=self.trail,
            clock=self.clock,
            users=self.users,
            friends=relations,
            facts=self.facts,
            views=self.views,
            neighbours=self.neighbours,
            pictures=self.pictures,
            limits=limits,
            seal=sealer.seal,
            unseal=sealer.open,
            public_url="https://chat.example/",
            allow_http=False,
        )
        poster = Poster(self.timeline, self.neighbours, NO_FILES, NobodyOnline(), names, self.clock)
        self.sending = SendService(
            database, self.timeline, self.neighbours, NO_FILES, poster, MessageLimits()
        )
        log = PairLog(self.trail, self.bus)
        self.blocks = Blocks(database, self.users, log, self.clock, [self.neighbours.pair_changed])
        self.friendships = Friendships(database, self.users, log, self.clock, FriendLimits(5000, 200))

    @property
    def audited(self) -> list[str]:
        """Names of the records so far."""
        return [entry.event for entry in self.trail.entries]

    async def people(self, *names: str, privacy: Privacy | None = None) -> list[str]:
        """New users; their display names are `User <name>`."""
        ids = {new_id(): name for name in names}

        def work(tx: WriteTx) -> None:
            for user_id, name in ids.items():
                email, username = f"{user_id}@example.test", user_id[:30]
                self.users.create_in(tx, NewUser(user_id, email, username, "-", f"User {name}", "user", 1))

        await self.database.write(work)
        wanted = msgspec.structs.asdict(privacy) if privacy is not None else {}
        for user_id in ids if wanted else ():
            await self.users.update(caller(user_id).principal, CONTEXT, {}, wanted)
        return list(ids)

    async def befriend(self, a: str, b: str) -> None:
        """Make the two friends."""
        await self.friendships.ask(caller(a).principal, CONTEXT, b)
        await self.friendships.accept(caller(b).principal, CONTEXT, a)

    async def block(self, a: str, b: str) -> None:
        """Let `a` block `b`."""
        await self.blocks.block(caller(a).principal, CONTEXT, b, None)

    async def gone(self, user_id: str) -> None:
        """Let an account be deleted."""
        statement = update(users_table).where(users_table.c.user_id == user_id).values(state="deleted")

        def work(tx: WriteTx) -> None:
            tx.conn.execute(statement)

        await self.database.write(work)

    async def direct(self, a: str, b: str) -> Conversation:
        """The direct conversation of two users."""
        conversation, _ = await self.cases.creation.create(caller(a), Wanted("direct", [b], None, None, {}))
        return conversation

    async def group(self, owner: str, *others: str, title: str | None = "G", **settings: Any) -> str:
        """The id of a new group."""
        conversation, new = await self.cases.creation.create(
            caller(owner), Wanted("group", others, title, None, settings)
        )
        assert new
        return conversation.conversation_id

    async def send(self, sender: str, conversation_id: str, text: str = "hello") -> int:
        """One message; returns its seq."""
        sent = await self.sending.send(caller(sender).principal, SendRequest(conversation_id, text))
        return sent.message.seq

    async def log(self, conversation_id: str) -> list[StoredEvent]:
        """Every event."""
        return await self.timeline.events(conversation_id, after_seq=0, limit=10_000)

    async def kinds(self, conversation_id: str) -> list[str]:
        """The kinds of every event."""
        return [event.kind for event in await self.log(conversation_id)]

    async def listed(self, user_id: str, **which: Any) -> list[str]:
        """The ids in the user's list, in its order."""
        wanted = Filter(which.get("archived", "false"), which.get("type"), which.get("text"))
        page = await self.cases.listing.listed(user_id, wanted, after=None, offset=0, limit=100)
        return [one.conversation_id for one in page.items]

    async def members(self, conversation_id: str) -> dict[str, str]:
        """Roles by user id, as stored."""
        table = conversation_participants.c
        query = select(table.user_id, table.role).where(table.conversation_id == conversation_id)
        rows = await self.database.read(lambda conn: conn.execute(query).all())
        return {row[0]: row[1] for row in rows}

    async def known(self, conversation_id: str) -> Facts:
        """The cached facts, which must be there."""
        facts = await self.facts.get(conversation_id)
        assert facts is not None
        return facts


def caller(user_id: str) -> Caller:
    """Somebody with a session."""
    return Caller(Principal(user_id, new_id(), new_id(), "user", 0), CONTEXT)


async def refusal(action: Any) -> str:
    """The code with which an action is refused."""
    try:
        result = await action
    except ApiError as error:
        return error.code.name
    raise AssertionError(f"was not refused: {result}")


@asynccontextmanager
async def world(path: Path, limits: ConversationLimits | None = None) -> AsyncIterator[World]:
    """A store in the directory `path` with nobody in it."""
    database = open_sqlite(path / "secureconnect.db")
    await database.write(lambda tx: METADATA.create_all(tx.conn))
    made = World(database, limits or ConversationLimits())
    await made.facts.start()
    await made.users.start()
    try:
        yield made
    finally:
        await database.close()
