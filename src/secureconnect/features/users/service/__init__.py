"""Use cases of users: `profiles` reads and changes them, `registry` is what administration does, `bots` keeps
the accounts of bots.
"""

from secureconnect.features.users.service.bots import BotRegistry
from secureconnect.features.users.service.profiles import UserService
from secureconnect.features.users.service.registry import AccountRegistry

__all__ = ["AccountRegistry", "BotRegistry", "UserService"]
