"""How single sign-on is put together."""

from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.edge.module import Module
from secureconnect.features.audit.api import Audit
from secureconnect.features.auth.api import Entrance, SecondFactors
from secureconnect.features.oidc.module import module
from secureconnect.features.oidc.service import Exchange, Links, NamedProvider, OidcTickets, Way
from secureconnect.features.sessions.api import OneTimeTokens
from secureconnect.features.users.api import Users

__all__ = ["wire_oidc"]


def wire_oidc(
    settings: Settings,
    stores: Stores,
    *,
    users: Users,
    tokens: OneTimeTokens,
    entrance: Entrance,
    factors: SecondFactors,
    links: Links,
    audit: Audit,
) -> Module:
    """Stands on auth's entrance and on second factors, which know `links` already."""
    database, metrics, auth = stores.database, stores.metrics, settings.auth
    tickets = OidcTickets(tokens, stores.sealer.seal, stores.sealer.open)
    way = Way(
        database,
        _providers(settings, stores),
        tickets,
        audit,
        metrics,
        redirect_uris=auth.oidc_redirect_uris,
        public_url=settings.server.public_url,
    )
    exchange = Exchange(
        database,
        users,
        entrance,
        factors,
        links,
        tickets,
        audit,
        metrics,
        stores.clock,
        signup=auth.oidc_signup,
    )
    return module(way, exchange, users)


def _providers(settings: Settings, stores: Stores) -> list[NamedProvider]:
    if not settings.auth.oidc_providers:
        return []
    from secureconnect.infra.openid.client import OpenIdClient, Registration  # loads an HTTP client

    return [
        NamedProvider(
            known.id,
            known.name,
            OpenIdClient(
                Registration(known.issuer, known.client_id, known.client_secret, known.scopes),
                stores.clock,
                allow_http=not settings.production,
            ),
        )
        for known in settings.auth.oidc_providers
    ]
