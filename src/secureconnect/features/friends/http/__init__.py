"""Routes about other people (docs/reference/http.md, users, friends, blocks); those of one's own profile
belong to users.
"""

from secureconnect.edge.http.paging import Paging
from secureconnect.edge.http.routing import Route
from secureconnect.features.friends.http import blocks, friendships, people
from secureconnect.features.friends.service import Blocks, Friendships, People
from secureconnect.kit.pagination import Cursors

__all__ = ["routes"]


def routes(everyone: People, relations: Friendships, blocked: Blocks, cursors: Cursors) -> list[Route]:
    """Every route of this feature."""
    paging = Paging(cursors)
    return [
        *people.routes(everyone, paging),
        *friendships.routes(relations, everyone, paging),
        *blocks.routes(blocked, paging),
    ]
