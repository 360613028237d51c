"""What friends contribute."""

from collections.abc import Sequence

from secureconnect.edge.module import Module
from secureconnect.features.audit.api import Audit
from secureconnect.features.friends.api import FriendNotices, PairChanged
from secureconnect.features.friends.http import routes
from secureconnect.features.friends.rules import FriendLimits
from secureconnect.features.friends.service import Blocks, Friendships, PairLog, People
from secureconnect.features.users.api import Users
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database
from secureconnect.kit.clock import Clock
from secureconnect.kit.pagination import Cursors

__all__ = ["module"]


def module(
    *,
    database: Database,
    users: Users,
    audit: Audit,
    bus: Bus,
    clock: Clock,
    cursors: Cursors,
    limits: FriendLimits,
    pair_changed: Sequence[PairChanged] = (),
    notices: FriendNotices | None = None,
) -> Module:
    """Other people, friends and blocks. Other features get `service.Relations` instead."""
    log = PairLog(audit, bus)
    people = People(database, users)
    friendships = Friendships(database, users, log, clock, limits, notices)
    blocks = Blocks(database, users, log, clock, pair_changed)
    return Module(name="friends", role="auth", routes=routes(people, friendships, blocks, cursors))
