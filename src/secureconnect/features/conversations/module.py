"""What conversations contribute."""

from collections.abc import Sequence

from secureconnect.edge.module import Module
from secureconnect.features.audit.api import Audit
from secureconnect.features.conversations.api import Pictures, Purged
from secureconnect.features.conversations.http import routes
from secureconnect.features.conversations.rules import ConversationLimits
from secureconnect.features.conversations.service import FactsCache, Neighbours, Seal, Views, use_cases
from secureconnect.features.conversations.tasks import tasks
from secureconnect.features.friends.api import Friends
from secureconnect.features.users.api import Users
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.pagination import Cursors

__all__ = ["module"]


def module(
    *,
    database: Database,
    timeline: Timeline,
    bus: Bus,
    audit: Audit,
    clock: Clock,
    cursors: Cursors,
    users: Users,
    friends: Friends,
    facts: FactsCache,
    views: Views,
    neighbours: Neighbours,
    pictures: Pictures,
    purged: Sequence[Purged],
    limits: ConversationLimits,
    seal: Seal,
    unseal: Seal,
    public_url: str,
    allow_http: bool,
) -> Module:
    """Conversations, members, invites. Other features get `neighbours`, sockets `socket.SocketMemberships`.

    `purged` are the features that keep something about messages. `seal` and `unseal` keep invite codes;
    `public_url` is where their links lead; `allow_http` lets pictures have addresses without TLS
    (development).
    """
    cases = use_cases(
        database=database,
        timeline=timeline,
        bus=bus,
        audit=audit,
        clock=clock,
        users=users,
        friends=friends,
        facts=facts,
        views=views,
        neighbours=neighbours,
        pictures=pictures,
        limits=limits,
        seal=seal,
        unseal=unseal,
        public_url=public_url,
        allow_http=allow_http,
    )
    return Module(
        name="conversations",
        role="auth",
        routes=routes(cases, cursors),
        tasks=tasks(database, timeline, purged),
        start=facts.start,
    )
