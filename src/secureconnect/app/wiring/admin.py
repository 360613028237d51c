"""How administration and deletion are put together."""

from collections.abc import Sequence

from msgspec import Struct

from secureconnect import __version__
from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.edge.module import Module
from secureconnect.edge.realtime.fanout.hub import Hub
from secureconnect.features.admin.api import Bans, Presences, Probe
from secureconnect.features.admin.module import module as admin_module
from secureconnect.features.admin.service import (
    BanService,
    HealthWatch,
    Overview,
    Retention,
    RetentionLimits,
    Trail,
    UserAdministration,
)
from secureconnect.features.audit.api import Audit
from secureconnect.features.auth.service import NewPasswords
from secureconnect.features.bots.api import Bots
from secureconnect.features.conversations.api import Purged
from secureconnect.features.conversations.service import ConversationCatalogue
from secureconnect.features.factors.api import Factors
from secureconnect.features.files.api import Files
from secureconnect.features.mail.service import MailService
from secureconnect.features.privacy.service import Deletion
from secureconnect.features.push.service import Deliverer
from secureconnect.features.sessions.api import Sessions
from secureconnect.features.users.service import AccountRegistry, UserService
from secureconnect.infra.crypto.hashing import PasswordHasher
from secureconnect.kit.ids import new_id

__all__ = ["AdminParts", "wire_admin"]


class AdminParts(Struct, frozen=True):
    """What others stand on, and the module."""

    bans: Bans
    accounts: AccountRegistry
    deletion: Deletion
    module: Module


class _Figures:
    """Implements `admin.api.Figures` for this process."""

    def __init__(self, hub: Hub, users: UserService) -> None:
        self._hub = hub
        self._users = users

    def sockets(self) -> int:
        return sum(len(user.sessions) for user in self._hub.interest.users.values())

    def cache_hit_rate(self) -> float:
        return self._users.cache_hit_rate()


def wire_admin(
    settings: Settings,
    stores: Stores,
    *,
    audit: Audit,
    users: UserService,
    sessions: Sessions,
    hasher: PasswordHasher,
    factors: Factors,
    files: Files,
    presences: Presences,
    bots: Bots,
    mail: MailService,
    push: Deliverer,
    hub: Hub,
    purged: Sequence[Purged],
) -> AdminParts:
    """`purged` are the features that keep something about messages."""
    database, clock = stores.database, stores.clock
    accounts, trail = AccountRegistry(database, users, clock), Trail(audit)
    catalogue = ConversationCatalogue()
    deletion = Deletion(
        database,
        accounts,
        sessions,
        bots,
        mail,
        audit,
        stores.outbox,
        clock,
        erase_delay_days=settings.privacy.erase_delay_days,
    )
    bans = BanService(database, accounts, sessions, bots, trail, clock)
    administration = UserAdministration(
        database=database,
        users=users,
        accounts=accounts,
        sessions=sessions,
        passwords=NewPasswords(hasher, shortest=settings.auth.password_min),
        factors=factors,
        files=files,
        presences=presences,
        deletions=deletion,
        trail=trail,
        clock=clock,
    )
    overview = Overview(
        database=database,
        timeline=stores.timeline,
        outbox=stores.outbox,
        accounts=accounts,
        sessions=sessions,
        catalogue=catalogue,
        files=files,
        presences=presences,
        figures=_Figures(hub, users),
        health=HealthWatch(_probes(stores, mail, push), clock),
        trail=trail,
        clock=clock,
    )
    retention = Retention(
        database=database,
        timeline=stores.timeline,
        catalogue=catalogue,
        purged=purged,
        audit=audit,
        trail=trail,
        clock=clock,
        limits=RetentionLimits(settings.retention.default_days, settings.retention.max_days),
    )
    return AdminParts(
        bans,
        accounts,
        deletion,
        admin_module(administration, bans, overview, retention, stores.cursors, version=__version__),
    )


def _probes(stores: Stores, mail: MailService, push: Deliverer) -> list[Probe]:
    """What the server stands on, by the names that `/readyz` uses too."""

    async def timeline() -> float:
        started = stores.clock.monotonic()
        await stores.timeline.head(new_id())  # nobody's: how long an answer takes is all that matters
        return stores.clock.monotonic() - started

    async def unused() -> None:
        return None

    return [
        Probe("database", True, stores.database.ping),
        Probe("timeline", True, timeline),
        Probe("redis", False, stores.ping_redis or unused),
        Probe("object_store", False, stores.blobs.ping),
        Probe("mail", False, mail.ping),
        Probe("push", False, push.ping),
        Probe("sfu", False, unused),
    ]
