"""Routes of conversations (docs/reference/http.md, conversations): whole ones, members, one's own state,
invites.
"""

from secureconnect.edge.http.paging import Paging
from secureconnect.edge.http.routing import Route
from secureconnect.features.conversations.http import conversations, invites, participants, personal
from secureconnect.features.conversations.service import UseCases
from secureconnect.kit.pagination import Cursors

__all__ = ["routes"]


def routes(cases: UseCases, cursors: Cursors) -> list[Route]:
    """Every route of this feature."""
    paging = Paging(cursors)
    return [
        *conversations.routes(cases.creation, cases.listing, cases.editing, cases.endings, paging),
        *participants.routes(cases.participants, cases.membership, cases.roles, paging),
        *personal.routes(cases.personal),
        *invites.routes(cases.invites, paging),
    ]
