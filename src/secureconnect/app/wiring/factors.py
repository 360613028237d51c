"""How second factors, passkeys and single sign-on are put together."""

from urllib.parse import urlsplit

from msgspec import Struct

from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.app.wiring.oidc import wire_oidc
from secureconnect.edge.module import Module
from secureconnect.features.audit.api import Audit
from secureconnect.features.auth.api import Alerts, Entrance
from secureconnect.features.factors.module import module
from secureconnect.features.factors.service import (
    Assertions,
    Challenges,
    Changes,
    Codes,
    Enrolment,
    FactorService,
    Passkeys,
    RelyingParty,
    SecondFactorService,
    Steps,
)
from secureconnect.features.oidc.service import Links
from secureconnect.features.sessions.api import OneTimeTokens, Sessions
from secureconnect.features.users.api import Users

__all__ = ["FactorParts", "relying_party", "wire_factors"]


class FactorParts(Struct, frozen=True):
    """`logins` is what auth asks for the second step, `factors` what everybody else may know and do."""

    modules: list[Module]
    logins: SecondFactorService
    factors: FactorService


def wire_factors(
    settings: Settings,
    stores: Stores,
    *,
    users: Users,
    sessions: Sessions,
    tokens: OneTimeTokens,
    entrance: Entrance,
    alerts: Alerts,
    audit: Audit,
) -> FactorParts:
    """Stands on auth's entrance; login itself stands on it."""
    database, clock = stores.database, stores.clock
    party, links = relying_party(settings), Links(audit, clock)
    steps, challenges = Steps(users, tokens, links), Challenges(tokens)
    changes = Changes(sessions, audit, alerts, steps, clock)
    codes = Codes(entrance, audit, stores.sealer, clock)
    assertions = Assertions(database, entrance, party, challenges, steps, clock)
    logins = SecondFactorService(database, entrance, steps, codes, assertions)
    oidc = wire_oidc(
        settings,
        stores,
        users=users,
        tokens=tokens,
        entrance=entrance,
        factors=logins,
        links=links,
        audit=audit,
    )
    factors = module(
        Enrolment(database, users, tokens, entrance, codes, changes),
        logins,
        Passkeys(database, users, party, challenges, changes, clock),
        assertions,
        users,
    )
    return FactorParts(
        [factors, oidc],
        logins,
        FactorService(database, tokens, challenges, changes),
    )


def relying_party(settings: Settings) -> RelyingParty:
    """The domain that passkeys belong to, and the origin of the pages that ask for them."""
    url = urlsplit(settings.server.public_url)
    host = url.hostname or ""
    port = "" if url.port in {None, {"http": 80, "https": 443}.get(url.scheme)} else f":{url.port}"
    bracketed = f"[{host}]" if ":" in host else host
    return RelyingParty(settings.auth.webauthn_rp_id or host, f"{url.scheme}://{bracketed}{port}")
