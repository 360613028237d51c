"""What people do with the mails that they get: set forgotten passwords, prove and replace addresses."""

from msgspec import Struct

from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.features.audit.service import AuditService
from secureconnect.features.auth.service import Addresses, AlertService, Lockout, Login, Recovery
from secureconnect.features.mail.service import MailService
from secureconnect.features.sessions.service import OneTime, SessionService
from secureconnect.features.users.service import UserService
from secureconnect.infra.crypto.hashing import PasswordHasher

__all__ = ["MailFlows", "wire_mail_flows"]


class MailFlows(Struct, frozen=True):
    """Both use cases."""

    recovery: Recovery
    addresses: Addresses


def wire_mail_flows(
    settings: Settings,
    stores: Stores,
    *,
    users: UserService,
    sessions: SessionService,
    audit: AuditService,
    hasher: PasswordHasher,
    lockout: Lockout,
    login: Login,
    mail: MailService,
    alerts: AlertService,
) -> MailFlows:
    """Connect them with the mailer."""
    auth, tokens = settings.auth, OneTime(stores.clock)
    recovery = Recovery(
        stores.database,
        users,
        sessions,
        tokens,
        audit,
        hasher,
        lockout,
        mail,
        alerts,
        stores.clock,
        reset_ttl=auth.reset_ttl,
        shortest_password=auth.password_min,
    )
    addresses = Addresses(
        stores.database,
        users,
        sessions,
        tokens,
        audit,
        login,
        mail,
        alerts,
        stores.clock,
        change_ttl=auth.email_change_ttl,
    )
    return MailFlows(recovery, addresses)
