"""All use cases, put together."""

from typing import NamedTuple

from secureconnect.features.audit.api import Audit
from secureconnect.features.conversations.api import Pictures
from secureconnect.features.conversations.rules import ConversationLimits
from secureconnect.features.conversations.service.admission import Admission
from secureconnect.features.conversations.service.creation import Creation
from secureconnect.features.conversations.service.editing import Editing, Endings
from secureconnect.features.conversations.service.facts import FactsCache
from secureconnect.features.conversations.service.invites import Invites, Seal
from secureconnect.features.conversations.service.journal import Journal
from secureconnect.features.conversations.service.listing import Listing
from secureconnect.features.conversations.service.membership import Membership
from secureconnect.features.conversations.service.neighbours import Neighbours
from secureconnect.features.conversations.service.participants import Participants
from secureconnect.features.conversations.service.personal import Personal
from secureconnect.features.conversations.service.reach import Reach
from secureconnect.features.conversations.service.roles import Roles
from secureconnect.features.conversations.service.views import Views
from secureconnect.features.friends.api import Friends
from secureconnect.features.users.api import Users
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import Clock

__all__ = ["UseCases", "use_cases"]


class UseCases(NamedTuple):
    """What callers can do."""

    creation: Creation
    listing: Listing
    editing: Editing
    endings: Endings
    participants: Participants
    membership: Membership
    roles: Roles
    personal: Personal
    invites: Invites


def use_cases(
    *,
    database: Database,
    timeline: Timeline,
    bus: Bus,
    audit: Audit,
    clock: Clock,
    users: Users,
    friends: Friends,
    facts: FactsCache,
    views: Views,
    neighbours: Neighbours,
    pictures: Pictures,
    limits: ConversationLimits,
    seal: Seal,
    unseal: Seal,
    public_url: str,
    allow_http: bool,
) -> UseCases:
    """Every use case, on the same stores and caches."""
    journal = Journal(timeline, audit)
    reach = Reach(users, friends)
    admission = Admission(clock, facts, journal, limits)
    personal = Personal(database, timeline, clock, facts, neighbours)
    endings = Endings(database, bus, clock, facts, journal, personal)
    participants = Participants(database, users)
    return UseCases(
        creation=Creation(database, clock, journal, reach, views, limits),
        listing=Listing(database, views),
        editing=Editing(database, clock, facts, journal, views, pictures, allow_http=allow_http),
        endings=endings,
        participants=participants,
        membership=Membership(database, clock, facts, journal, reach, admission, endings),
        roles=Roles(database, clock, facts, journal, reach, views, participants),
        personal=personal,
        invites=Invites(
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
        ),
    )
