"""What auth contributes."""

from secureconnect.edge.module import Module, Task
from secureconnect.features.auth.api import SecondFactors
from secureconnect.features.auth.http import routes
from secureconnect.features.auth.service import Accounts, Lockout, Login
from secureconnect.features.users.api import Users

__all__ = ["module"]


def module(
    accounts: Accounts, login: Login, lockout: Lockout, factors: SecondFactors, users: Users
) -> Module:
    """Registration, login, passwords."""
    return Module(
        name="auth",
        role="auth",
        routes=routes(accounts, login, factors, users),
        tasks=[Task("login_attempts_retention", 3600, lockout.purge)],
    )
