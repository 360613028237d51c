"""Use cases, one file each, and what they share: seats, facts, journal, views."""

from secureconnect.features.conversations.service.badges import Badges
from secureconnect.features.conversations.service.cases import UseCases, use_cases
from secureconnect.features.conversations.service.catalogue import ConversationCatalogue
from secureconnect.features.conversations.service.creation import Creation, Wanted
from secureconnect.features.conversations.service.editing import Editing, Endings
from secureconnect.features.conversations.service.facts import FactsCache
from secureconnect.features.conversations.service.invites import Invites, Seal, SeenInvite
from secureconnect.features.conversations.service.journal import Caller
from secureconnect.features.conversations.service.listing import Filter, Listing
from secureconnect.features.conversations.service.membership import Membership
from secureconnect.features.conversations.service.neighbours import Neighbours
from secureconnect.features.conversations.service.participants import Participants, SeenParticipant
from secureconnect.features.conversations.service.personal import Personal
from secureconnect.features.conversations.service.roles import Roles
from secureconnect.features.conversations.service.views import Views

__all__ = [
    "Badges",
    "Caller",
    "ConversationCatalogue",
    "Creation",
    "Editing",
    "Endings",
    "FactsCache",
    "Filter",
    "Invites",
    "Listing",
    "Membership",
    "Neighbours",
    "Participants",
    "Personal",
    "Roles",
    "Seal",
    "SeenInvite",
    "SeenParticipant",
    "UseCases",
    "Views",
    "Wanted",
    "use_cases",
]
