"""A feeder between a real timeline and a real index, over the embedded stores."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from secureconnect.features.search.service import Feeder
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.infra.search.base import Document, Place, Progress, Query
from secureconnect.infra.search.sqlite import SqliteSearchIndex
from secureconnect.infra.timeline.base import Edit, NewEvent, NewMessage
from secureconnect.infra.timeline.relational import RelationalTimeline
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_id, new_time_id
from secureconnect.kit.words import wanted
from secureconnect.migrations import runner

__all__ = ["Index", "World", "world"]


class Clock:
    """Time that moves with every look."""

    def __init__(self) -> None:
        self.at = 1_700_000_000_000

    def now(self) -> int:
        self.at += 1
        return self.at

    def monotonic(self) -> float:
        return self.at / 1000


class Index(SqliteSearchIndex):
    """An index that can be made to fail, and says what it was asked to write."""

    def __init__(self, database: SqliteDatabase) -> None:
        super().__init__(database)
        self.broken = False
        self.writes: list[int] = []
        self.older: list[int] = []
        self.begun = 0
        self.may_write = asyncio.Event()
        self.may_write.set()

    async def begin(self, progress: Progress) -> None:
        self.begun += 1
        await super().begin(progress)

    async def put(self, documents: Sequence[Document], gone: Collection[Place], *, upto: int) -> None:
        await self.may_write.wait()
        if self.broken:
            raise ApiError(ErrorCode.DATABASE_UNAVAILABLE)
        self.writes.append(len(documents) + len(gone))
        await super().put(documents, gone, upto=upto)

    async def put_older(self, documents: Sequence[Document], *, older_than: str | None) -> None:
        await self.may_write.wait()
        self.older.append(len(documents))
        await super().put_older(documents, older_than=older_than)


class World:
    """A timeline with one conversation and one sender."""

    def __init__(self, database: SqliteDatabase, search: SqliteDatabase) -> None:
        self.database = database
        self.clock = Clock()
        self.timeline = RelationalTimeline(database)
        self.index = Index(search)
        self.sender_id = new_id()
        self.conversation_id = ""
        self.feeder = self.new_feeder()

    def new_feeder(self) -> Feeder:
        """As a new process would have; the old one hears nothing more."""
        self.feeder = Feeder(self.index, self.timeline, self.clock)
        self.timeline.listen(self.feeder.committed)
        return self.feeder

    async def open(self) -> str:
        conversation_id = new_id()
        await self.database.write(lambda tx: self.timeline.open_in(tx, conversation_id))
        return conversation_id

    async def say(self, *texts: str, conversation_id: str | None = None) -> list[str]:
        """Messages, one after the other; returns their ids."""
        ids = []
        for text in texts:
            event = NewEvent(
                conversation_id or self.conversation_id,
                new_time_id(),
                "message_created",
                self.sender_id,
                self.clock.now(),
                message=NewMessage(self.sender_id, None, text, False, "text", {}),
            )
            await self.timeline.append(event, guard=0)
            ids.append(event.event_id)
        return ids

    async def edit(self, message_id: str, text: str) -> None:
        await self._change(message_id, "message_edited", text)

    async def delete(self, message_id: str) -> None:
        await self._change(message_id, "message_deleted", None)

    async def _change(self, message_id: str, kind: str, text: str | None) -> None:
        now = self.clock.now()

        def work(tx: WriteTx) -> None:
            message = self.timeline.message_in(tx, message_id)
            assert message is not None
            if text is None:
                self.timeline.delete_in(tx, message, at=now, by=self.sender_id, reason="sender")
            else:
                self.timeline.edit_in(tx, message, Edit(text, {}, None, (), now))
            event = NewEvent(
                message.conversation_id, new_time_id(), kind, self.sender_id, now, target_id=message_id
            )
            self.timeline.append_in(tx, event)

        await self.database.write(work)

    async def found(self, text: str, *, caught_up: bool = True) -> list[str]:
        """The ids of what is found in the conversation, newest first."""
        if caught_up:
            await self.feeder.caught_up()
        page = await self.index.find(Query(wanted(text)), {self.conversation_id: 1}, limit=1000)
        return [hit.message_id for hit in page.hits]


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[World]:
    """Both stores, migrated; the feeder does not run yet."""
    database = open_sqlite(directory / "secureconnect.db")
    search = open_sqlite(directory / "search.db", synced=False)
    await database.write(lambda tx: runner.upgrade(tx.conn))
    w = World(database, search)
    w.conversation_id = await w.open()
    yield w
    await w.feeder.stop()
    await search.close()
    await database.close()
