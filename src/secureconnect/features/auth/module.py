"""What auth contributes."""

from secureconnect.edge.module import Module, Task
from secureconnect.features.auth.api import SecondFactors
from secureconnect.features.auth.http import routes
from secureconnect.features.auth.service import Accounts, Addresses, Lockout, Login, Recovery
from secureconnect.features.users.api import Users

__all__ = ["module"]


def module(
    accounts: Accounts,
    login: Login,
    lockout: Lockout,
    recovery: Recovery,
    addresses: Addresses,
    factors: SecondFactors,
    users: Users,
) -> Module:
    """Registration, login, passwords, addresses."""
    return Module(
        name="auth",
        role="auth",
        routes=routes(accounts, login, recovery, addresses, factors, users),
        tasks=[Task("login_attempts_retention", 3600, lockout.purge)],
    )
