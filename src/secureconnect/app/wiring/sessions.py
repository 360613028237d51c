"""How sessions are put together."""

from collections.abc import Sequence

from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.features.audit.api import Audit
from secureconnect.features.sessions.api import SessionEnds
from secureconnect.features.sessions.service import Access, KeyRing, SessionLimits, SessionService
from secureconnect.features.users.api import Notices, Users

__all__ = ["wire_sessions"]


def wire_sessions(
    settings: Settings,
    stores: Stores,
    *,
    users: Users,
    audit: Audit,
    notices: Notices,
    ends: Sequence[SessionEnds],
) -> tuple[KeyRing, Access, SessionService]:
    """Keys, the check of access tokens, and sessions; `ends` have to hear of sessions that end."""
    database, bus, clock, auth = stores.database, stores.bus, stores.clock, settings.auth
    keyring = KeyRing(
        database,
        stores.sealer,
        clock,
        rotation_days=auth.key_rotation_days,
        access_ttl=auth.access_ttl,
    )
    access = Access(
        database,
        bus,
        keyring,
        users,
        clock,
        issuer=auth.issuer,
        revocation_cache_ttl=auth.revocation_cache_ttl,
        reauth_max_age=auth.reauth_max_age,
        admin_mfa_required=auth.admin_mfa_required,
    )
    sessions = SessionService(
        database,
        bus,
        keyring,
        users,
        audit,
        stores.metrics,
        clock,
        SessionLimits(auth.access_ttl, auth.refresh_ttl, auth.max_sessions, auth.issuer),
        notices,
        ends,
    )
    return keyring, access, sessions
