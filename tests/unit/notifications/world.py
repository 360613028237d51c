"""A follower between a real timeline and real inboxes; who is in a conversation is said by the test."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, text

from secureconnect.edge.realtime.timers import Timers
from secureconnect.features.conversations.api import Audience, Conversations, Facts, Listener
from secureconnect.features.friends.api import Friends
from secureconnect.features.messages.api import Messages
from secureconnect.features.notifications.rules import Preferences
from secureconnect.features.notifications.service import Follower, Teller
from secureconnect.features.notifications.service.frames import Frames
from secureconnect.features.notifications.store import save_preferences
from secureconnect.features.users.api import Users
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.infra.timeline.base import NewEvent, NewMessage, StoredEvent
from secureconnect.infra.timeline.relational import RelationalTimeline
from secureconnect.kit.ids import new_id, new_time_id
from secureconnect.migrations import runner

__all__ = ["World", "world"]


class Clock:
    """Time that moves with every look."""

    def __init__(self) -> None:
        self.at = 1_700_000_000_000

    def now(self) -> int:
        self.at += 1
        return self.at

    def monotonic(self) -> float:
        return self.at / 1000


class Rooms:
    """Stands for conversations, friends, messages, users and presence.

    Of the audiences asked for, as `parts` says, the one behind `broken_after` others fails.
    """

    def __init__(self) -> None:
        self.members: dict[str, list[str]] = {}
        self.called: dict[int, set[str]] = {}
        self.read: dict[str, int] = {}
        self.parts: list[str] = []
        self.broken_after: int | None = None

    def audience_in(
        self, _tx: WriteTx, conversation_id: str, *, after: str | None = None, limit: int | None = None
    ) -> Audience | None:
        self.parts.append(conversation_id)
        if self.broken_after is not None:
            self.broken_after -= 1
            if self.broken_after < 0:
                self.broken_after = None
                raise RuntimeError("broken")
        known = sorted(user_id for user_id in self.members[conversation_id] if user_id > (after or ""))
        return Audience(
            "group", "Walks", [Listener(key, 1, self.read.get(key, 0), None) for key in known[:limit]]
        )

    async def facts(self, _conversation_id: str) -> Facts | None:
        return None

    def called_in(
        self, _conn: Connection, _conversation_id: str, first: int, last: int
    ) -> Mapping[int, set[str]]:
        return {seq: users for seq, users in self.called.items() if first <= seq <= last}

    def blocked_with_in(self, _conn: Connection, _user_id: str, _others: Collection[str]) -> set[str]:
        return set()

    def many_in(self, _conn: Connection, _user_ids: Collection[str]) -> Mapping[str, object]:
        return {}

    async def online_among(self, _user_ids: Collection[str]) -> set[str]:
        return set()


class Counted:
    """Metrics of entries."""

    def notified(self, type_: str) -> None:
        """Nothing is counted."""


class World:
    """One server."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.database = database
        self.clock = Clock()
        self.timeline = RelationalTimeline(database)
        self.bus = MemoryBus()
        self.rooms = Rooms()
        self.timers = Timers(self.clock)
        self.reads: list[str] = []
        self.follower = self.new_follower()

    def new_follower(self, *, at_once: int = 32) -> Follower:
        """As a new process would have; an old one hears nothing more."""
        rooms, events = self.rooms, self.timeline.events

        async def watched(conversation_id: str, **where: Any) -> list[StoredEvent]:
            self.reads.append(conversation_id)
            return await events(conversation_id, **where)

        timeline = RelationalTimeline(self.database)
        timeline.events = watched  # type: ignore[method-assign]
        self.follower = Follower(
            self.database,
            timeline,
            cast("Conversations", rooms),
            cast("Friends", rooms),
            cast("Messages", rooms),
            cast("Users", rooms),
            rooms,
            Teller(Frames(self.bus, self.timers), None, Counted(), self.clock),
            self.clock,
            at_once=at_once,
        )
        self.timeline.listen(self.follower.committed)
        return self.follower

    async def room(self, *members: str) -> str:
        """A conversation."""
        conversation_id = new_id()
        self.rooms.members[conversation_id] = list(members)
        await self.database.write(lambda tx: self.timeline.open_in(tx, conversation_id))
        return conversation_id

    async def say(self, conversation_id: str, sender_id: str, *, mention: str | None = None) -> str:
        """One message; its id."""
        event = NewEvent(
            conversation_id,
            new_time_id(),
            "message_created",
            sender_id,
            self.clock.now(),
            message=NewMessage(
                sender_id, None, "said", False, "text", {}, mentions=(mention,) if mention else ()
            ),
        )
        appended = await self.timeline.append(event, guard=0)
        if mention is not None:
            self.rooms.called[appended.event.seq] = {mention}
        return event.event_id

    async def encrypt(self, conversation_id: str, actor_id: str) -> None:
        """Turn encryption on: an event of its own for everybody, that no fold counts."""
        event = NewEvent(
            conversation_id,
            new_time_id(),
            "e2ee_mode_changed",
            actor_id,
            self.clock.now(),
            data=b'{"is_e2ee_enabled":true}',
        )
        await self.timeline.append(event, guard=0)

    async def unsay(self, conversation_id: str, message_id: str, user_id: str) -> None:
        """Delete it for everybody."""
        now = self.clock.now()

        def work(tx: WriteTx) -> None:
            message = self.timeline.message_in(tx, message_id)
            assert message is not None
            self.timeline.delete_in(tx, message, at=now, by=user_id, reason="sender")
            event = NewEvent(
                conversation_id, new_time_id(), "message_deleted", user_id, now, target_id=message_id
            )
            self.timeline.append_in(tx, event)

        await self.database.write(work)

    async def wants(self, user_id: str, preferences: Preferences) -> None:
        """What the user wants from now on."""
        await self.database.write(lambda tx: save_preferences(tx, user_id, preferences, self.clock.now()))

    async def inbox(self, user_id: str) -> list[tuple[str, int]]:
        """Type and count of the user's entries, in order."""
        query = text("SELECT type, count FROM notifications WHERE user_id = :id ORDER BY type, created_at")
        rows: Sequence[Any] = await self.database.read(
            lambda conn: conn.execute(query, {"id": user_id}).all()
        )
        return [(row[0], row[1]) for row in rows]


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[World]:
    """A migrated store; the follower does not run yet."""
    database = open_sqlite(directory / "secureconnect.db")
    await database.write(lambda tx: runner.upgrade(tx.conn))
    w = World(database)
    yield w
    await w.follower.stop()
    await database.close()
