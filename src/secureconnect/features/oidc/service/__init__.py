"""Use cases of single sign-on: the `way` to a provider and back, the `exchange` of what came of it. Below:
`links` between people and accounts, `tickets` that lead from one step to the next.
"""

from secureconnect.features.oidc.service.exchange import Exchange
from secureconnect.features.oidc.service.links import Links
from secureconnect.features.oidc.service.tickets import OidcTickets
from secureconnect.features.oidc.service.way import NamedProvider, Way

__all__ = ["Exchange", "Links", "NamedProvider", "OidcTickets", "Way"]
