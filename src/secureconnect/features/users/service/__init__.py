"""Use cases of users: `profiles` reads and changes them, `registry` is what administration does."""

from secureconnect.features.users.service.profiles import UserService
from secureconnect.features.users.service.registry import AccountRegistry

__all__ = ["AccountRegistry", "UserService"]
