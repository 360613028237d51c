"""The use cases: sending, reading, syncing, marking, changing; and how events are rendered and announced."""

from secureconnect.features.messages.service.announcing import Announcer, CommitMetrics
from secureconnect.features.messages.service.cases import UseCases, use_cases
from secureconnect.features.messages.service.changing import Changes
from secureconnect.features.messages.service.deleting import Deleted, DeleteService, Eraser
from secureconnect.features.messages.service.editing import Edited, EditRequest, EditService
from secureconnect.features.messages.service.expiring import ExpiryService
from secureconnect.features.messages.service.history import HistoryService, VersionsPage
from secureconnect.features.messages.service.marking import MarkService
from secureconnect.features.messages.service.neighbours import Neighbours
from secureconnect.features.messages.service.pinning import PinService
from secureconnect.features.messages.service.posting import Poster, Sent
from secureconnect.features.messages.service.purging import MessagePurge
from secureconnect.features.messages.service.reacting import Reactions, ReactorsPage, ReactService
from secureconnect.features.messages.service.reading import EventsPage, MessagesPage, ReadService
from secureconnect.features.messages.service.receipts import Receipts
from secureconnect.features.messages.service.rendering import SenderNames
from secureconnect.features.messages.service.scheduling import ScheduleService
from secureconnect.features.messages.service.sending import SendRequest, SendService
from secureconnect.features.messages.service.syncing import SyncedConversation, SyncPage, SyncService
from secureconnect.features.messages.service.viewing import TimelineView

__all__ = [
    "Announcer",
    "Changes",
    "CommitMetrics",
    "DeleteService",
    "Deleted",
    "EditRequest",
    "EditService",
    "Edited",
    "Eraser",
    "EventsPage",
    "ExpiryService",
    "HistoryService",
    "MarkService",
    "MessagePurge",
    "MessagesPage",
    "Neighbours",
    "PinService",
    "Poster",
    "ReactService",
    "Reactions",
    "ReactorsPage",
    "ReadService",
    "Receipts",
    "ScheduleService",
    "SendRequest",
    "SendService",
    "SenderNames",
    "Sent",
    "SyncPage",
    "SyncService",
    "SyncedConversation",
    "TimelineView",
    "UseCases",
    "VersionsPage",
    "use_cases",
]
