"""What single sign-on contributes."""

from secureconnect.edge.module import Module
from secureconnect.features.oidc.http import routes
from secureconnect.features.oidc.service import Exchange, Way
from secureconnect.features.users.api import Users

__all__ = ["module"]


def module(way: Way, exchange: Exchange, users: Users) -> Module:
    """Logins at OpenID providers."""
    return Module(name="oidc", role="auth", routes=routes(way, exchange, users), stop=way.close)
