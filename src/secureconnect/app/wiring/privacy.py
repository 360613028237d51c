"""How exports and erasure are put together: what every feature keeps about people, in one list."""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.edge.http.remembered import remembered_answers
from secureconnect.edge.module import Module
from secureconnect.features.audit.api import Audit
from secureconnect.features.audit.belongings import Trail
from secureconnect.features.audit.service import AuditService
from secureconnect.features.auth.belongings import LoginFailures
from secureconnect.features.bots.api import Bots
from secureconnect.features.bots.belongings import Robots
from secureconnect.features.calls.belongings import Calls
from secureconnect.features.conversations.belongings import Places
from secureconnect.features.conversations.service import FactsCache, Neighbours
from secureconnect.features.drafts import belongings as drafts
from secureconnect.features.factors import belongings as factors
from secureconnect.features.files.api import Files
from secureconnect.features.files.belongings import OwnFiles
from secureconnect.features.friends.belongings import People
from secureconnect.features.mail.belongings import Letters
from secureconnect.features.mail.service import MailService
from secureconnect.features.messages.belongings import Writings, plans
from secureconnect.features.messages.service import UseCases as MessageCases
from secureconnect.features.notifications.belongings import Inboxes
from secureconnect.features.oidc import belongings as oidc
from secureconnect.features.polls.belongings import Votes
from secureconnect.features.privacy.api import Belongings
from secureconnect.features.privacy.belongings import Archives
from secureconnect.features.privacy.module import module
from secureconnect.features.privacy.service import Deletion, Erasure, Exporter, ExportService, Operating
from secureconnect.features.push import belongings as push
from secureconnect.features.reports.belongings import Reports
from secureconnect.features.search.belongings import Indexed
from secureconnect.features.search.service import Feeder
from secureconnect.features.sessions import belongings as sessions
from secureconnect.features.users.belongings import Profile
from secureconnect.features.users.service import AccountRegistry, BotRegistry, UserService

__all__ = ["PrivacyParts", "wire_belongings", "wire_privacy"]


class PrivacyParts(Struct, frozen=True):
    """What commands use, and the module."""

    operating: Operating
    module: Module


def wire_belongings(
    stores: Stores,
    *,
    audit: Audit,
    users: UserService,
    conversations: Neighbours,
    facts: FactsCache,
    messages: MessageCases,
    files: Files,
    bots: Bots,
    mail: MailService,
    feeder: Feeder,
    purge: Callable[[], Awaitable[int]],
) -> list[Belongings]:
    """Everything that is kept about people, in the order in which it is erased.

    First what could still act; messages and votes before the memberships by which they are found; the index
    after what it indexes; last what is found by name, address or id in what belongs to others.
    """
    database, timeline, clock = stores.database, stores.timeline, stores.clock
    return [
        Archives(database, stores.blobs),
        sessions.belongings(database),
        factors.belongings(database),
        oidc.belongings(database),
        push.belongings(database),
        Robots(database, BotRegistry(users), bots),
        plans(database),
        drafts.belongings(database),
        Reports(database, timeline),
        Writings(database, timeline, conversations, messages.eraser, messages.reacting, clock),
        Votes(database, timeline, conversations, clock),
        Calls(database),
        OwnFiles(database, files),
        Places(database, timeline, facts, users, stores.bus, audit, clock, purge),
        Indexed(stores.search, timeline, feeder),
        People(database, users, [conversations.pair_changed]),
        Inboxes(database),
        remembered_answers(database),
        LoginFailures(database, users),
        Letters(database, users, mail),
        Trail(database),
        Profile(database),
    ]


def wire_privacy(
    settings: Settings,
    stores: Stores,
    *,
    deletion: Deletion,
    accounts: AccountRegistry,
    files: Files,
    audit: AuditService,
    belongings: Sequence[Belongings],
) -> PrivacyParts:
    """The feature."""
    database, clock = stores.database, stores.clock
    exporter = Exporter(database, stores.blobs, files, belongings, clock)
    exports = ExportService(
        database,
        stores.outbox,
        stores.blobs,
        exporter,
        audit,
        clock,
        scratch=settings.data_dir / "exporting",
    )
    erasure = Erasure(database, stores.outbox, accounts, deletion, belongings, audit, clock)
    operating = Operating(database, accounts, exporter, audit, audit, clock)
    return PrivacyParts(operating, module(deletion, erasure, exports))
