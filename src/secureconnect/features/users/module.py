"""What users contribute."""

from secureconnect.edge.module import Module
from secureconnect.features.users.http import routes
from secureconnect.features.users.service import UserService

__all__ = ["module"]


def module(service: UserService) -> Module:
    """Own profile."""
    return Module(name="users", role="auth", routes=routes(service), start=service.start)
