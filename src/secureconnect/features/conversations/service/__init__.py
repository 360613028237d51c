"""Use cases, one file each, and what they share: seats, facts, journal, views."""

from secureconnect.features.conversations.service.admission import Admission
from secureconnect.features.conversations.service.creation import Creation, Wanted
from secureconnect.features.conversations.service.editing import Editing, Endings
from secureconnect.features.conversations.service.facts import FactsCache
from secureconnect.features.conversations.service.invites import Invites, Preview, Seal, SeenInvite
from secureconnect.features.conversations.service.journal import Caller, Journal
from secureconnect.features.conversations.service.listing import Filter, Listing
from secureconnect.features.conversations.service.membership import Added, Membership
from secureconnect.features.conversations.service.neighbours import Neighbours, Place
from secureconnect.features.conversations.service.participants import Participants, SeenParticipant
from secureconnect.features.conversations.service.personal import Personal
from secureconnect.features.conversations.service.reach import Reach
from secureconnect.features.conversations.service.roles import Roles
from secureconnect.features.conversations.service.views import Views

__all__ = [
    "Added",
    "Admission",
    "Caller",
    "Creation",
    "Editing",
    "Endings",
    "FactsCache",
    "Filter",
    "Invites",
    "Journal",
    "Listing",
    "Membership",
    "Neighbours",
    "Participants",
    "Personal",
    "Place",
    "Preview",
    "Reach",
    "Roles",
    "Seal",
    "SeenInvite",
    "SeenParticipant",
    "Views",
    "Wanted",
]
