"""The use cases of messages over the real store with the real conversations around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from secureconnect.edge.realtime.timers import Timers
from secureconnect.features.messages.rules import MessageLimits
from secureconnect.features.messages.service import (
    Announcer,
    Poster,
    Receipts,
    SenderNames,
    TimelineView,
    UseCases,
    use_cases,
)
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal
from tests.unit.conversations.world import World, caller, world
from tests.unit.messages.fakes import NO_FILES, NobodyOnline, NoMetrics, NoPolls

__all__ = ["Desk", "by", "desk"]


class Desk:
    """What members can do with messages; `world` holds the rest."""

    def __init__(self, world: World, limits: MessageLimits) -> None:
        self.world = world
        names = SenderNames(world.users)
        self.cursors = Cursors(b"key")
        self.timers = Timers(world.clock)
        self.announcer = Announcer(world.bus, names, world.facts, world.clock, NoMetrics())
        world.timeline.listen(self.announcer.committed)
        self.view = TimelineView(world.database, world.timeline, world.facts, names, NoPolls())
        poster = Poster(world.timeline, world.neighbours, NO_FILES, NobodyOnline(), names, world.clock)
        self.cases: UseCases = use_cases(
            database=world.database,
            timeline=world.timeline,
            bus=world.bus,
            audit=world.trail,
            clock=world.clock,
            cursors=self.cursors,
            users=world.users,
            conversations=world.neighbours,
            files=NO_FILES,
            polls=NoPolls(),
            names=names,
            poster=poster,
            view=self.view,
            receipts=Receipts(world.bus, self.timers),
            limits=limits,
            max_pins=100,
            max_scheduled=100,
            notices=None,
        )
        self.reading, self.syncing, self.marking = (
            self.cases.reading,
            self.cases.syncing,
            self.cases.marking,
        )


def by(user_id: str) -> Principal:
    """Somebody with a session."""
    return caller(user_id).principal


@asynccontextmanager
async def desk(path: Path, *, unread_cap: int = 1000) -> AsyncIterator[Desk]:
    """A store in the directory `path` with nobody in it."""
    async with world(path) as made:
        yield Desk(made, MessageLimits(unread_cap=unread_cap))
