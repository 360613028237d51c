"""How reports are put together."""

from secureconnect.app.stores import Stores
from secureconnect.edge.module import Module
from secureconnect.features.admin.api import Bans
from secureconnect.features.audit.api import Audit
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.messages.api import Messages
from secureconnect.features.reports.module import module
from secureconnect.features.reports.service import ReportService
from secureconnect.features.users.api import Users

__all__ = ["wire_reports"]


def wire_reports(
    stores: Stores,
    *,
    audit: Audit,
    users: Users,
    conversations: Conversations,
    messages: Messages,
    bans: Bans,
) -> Module:
    """The feature; what it does about a report is done by `messages` and `bans`."""
    service = ReportService(
        stores.database, stores.timeline, users, conversations, messages, bans, audit, stores.clock
    )
    return module(service, stores.cursors)
