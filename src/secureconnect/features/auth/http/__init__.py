"""Routes of auth: `entry` takes passwords, `recovery` sets forgotten ones, `addresses` proves and replaces
e-mail addresses.
"""

from secureconnect.edge.http.routing import Route
from secureconnect.features.auth.api import SecondFactors
from secureconnect.features.auth.http import addresses as of_addresses
from secureconnect.features.auth.http import entry
from secureconnect.features.auth.http import recovery as of_recovery
from secureconnect.features.auth.service import Accounts, Addresses, Login, Recovery
from secureconnect.features.users.api import Users

__all__ = ["routes"]


def routes(
    accounts: Accounts,
    login: Login,
    recovery: Recovery,
    addresses: Addresses,
    factors: SecondFactors,
    users: Users,
) -> list[Route]:
    """Everything that makes, opens and keeps an account."""
    return [
        *entry.routes(accounts, login, factors, users),
        *of_recovery.routes(recovery),
        *of_addresses.routes(addresses, users),
    ]
