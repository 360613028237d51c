"""What conversations contribute."""

from secureconnect.edge.http.paging import Paging
from secureconnect.edge.module import Module
from secureconnect.features.audit.api import Audit
from secureconnect.features.conversations.http import conversations, invites, participants, personal
from secureconnect.features.conversations.rules import ConversationLimits
from secureconnect.features.conversations.service import (
    Admission,
    Creation,
    Editing,
    Endings,
    FactsCache,
    Invites,
    Journal,
    Listing,
    Membership,
    Neighbours,
    Participants,
    Personal,
    Reach,
    Roles,
    Seal,
    Views,
)
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
    limits: ConversationLimits,
    seal: Seal,
    unseal: Seal,
    public_url: str,
    allow_http: bool,
) -> Module:
    """Conversations, members, invites. Other features get `neighbours`, sockets `socket.SocketMemberships`.

    `seal` and `unseal` keep invite codes; `public_url` is where their links lead; `allow_http` lets pictures
    have addresses without TLS (development).
    """
    journal = Journal(timeline, audit)
    reach = Reach(users, friends)
    admission = Admission(clock, facts, journal, limits)
    listing = Listing(database, views)
    own = Personal(database, timeline, clock, facts, neighbours)
    endings = Endings(database, bus, clock, facts, journal, own)
    people = Participants(database, users)
    creation = Creation(database, clock, journal, reach, views, limits)
    editing = Editing(database, clock, facts, journal, views, allow_http=allow_http)
    membership = Membership(database, clock, facts, journal, reach, admission, endings)
    roles = Roles(database, clock, facts, journal, reach, views, people)
    links = Invites(
        database,
        clock,
        journal,
        reach,
        admission,
        views,
        limits,
        seal=seal,
        unseal=unseal,
        public_url=public_url,
    )
    paging = Paging(cursors)
    return Module(
        name="conversations",
        role="auth",
        routes=[
            *conversations.routes(creation, listing, editing, endings, paging),
            *participants.routes(people, membership, roles, paging),
            *personal.routes(own),
            *invites.routes(links, paging),
        ],
        start=facts.start,
    )
