"""The use cases of messages over the real store with the real conversations around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from secureconnect.edge.realtime.timers import Timers
from secureconnect.features.messages.service import (
    Announcer,
    MarkService,
    ReadService,
    Receipts,
    SenderNames,
    SyncService,
    TimelineView,
)
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal
from tests.unit.conversations.world import World, caller, world
from tests.unit.messages.fakes import NoMetrics, NoPolls

__all__ = ["Desk", "by", "desk"]


class Desk:
    """What members can do with messages; `world` holds the rest."""

    def __init__(self, world: World, unread_cap: int) -> None:
        self.world = world
        names = SenderNames(world.users)
        self.cursors = Cursors(b"key")
        self.timers = Timers(world.clock)
        self.announcer = Announcer(world.bus, names, world.clock, NoMetrics())
        world.timeline.listen(self.announcer.committed)
        self.view = TimelineView(world.database, world.timeline, names, NoPolls())
        self.reading = ReadService(world.timeline, world.neighbours, self.view, self.cursors)
        self.syncing = SyncService(
            world.timeline, world.neighbours, self.view, self.cursors, world.clock, unread_cap=unread_cap
        )
        self.marking = MarkService(
            world.database,
            world.timeline,
            world.neighbours,
            world.users,
            Receipts(world.bus, self.timers),
            world.clock,
        )


def by(user_id: str) -> Principal:
    """Somebody with a session."""
    return caller(user_id).principal


@asynccontextmanager
async def desk(path: Path, *, unread_cap: int = 1000) -> AsyncIterator[Desk]:
    """A store in the directory `path` with nobody in it."""
    async with world(path) as made:
        yield Desk(made, unread_cap)
