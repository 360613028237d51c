"""Use cases, one file each for asking, blocking, looking, and answering other features."""

from secureconnect.features.friends.service.blocks import Blocks, SeenBlock
from secureconnect.features.friends.service.friendships import Friendships, SeenFriendship
from secureconnect.features.friends.service.pairs import PairLog
from secureconnect.features.friends.service.people import People, Profile
from secureconnect.features.friends.service.relations import Relations

__all__ = [
    "Blocks",
    "Friendships",
    "PairLog",
    "People",
    "Profile",
    "Relations",
    "SeenBlock",
    "SeenFriendship",
]
