"""The use cases: sending, reading, syncing, marking; and how events are rendered and announced."""

from secureconnect.features.messages.service.announcing import Announcer, CommitMetrics
from secureconnect.features.messages.service.marking import MarkService
from secureconnect.features.messages.service.posting import Poster, Sent
from secureconnect.features.messages.service.reading import EventsPage, MessagesPage, ReadService
from secureconnect.features.messages.service.receipts import Receipts
from secureconnect.features.messages.service.rendering import SenderNames
from secureconnect.features.messages.service.sending import SendRequest, SendService
from secureconnect.features.messages.service.syncing import SyncedConversation, SyncPage, SyncService
from secureconnect.features.messages.service.viewing import TimelineView

__all__ = [
    "Announcer",
    "CommitMetrics",
    "EventsPage",
    "MarkService",
    "MessagesPage",
    "Poster",
    "ReadService",
    "Receipts",
    "SendRequest",
    "SendService",
    "SenderNames",
    "Sent",
    "SyncPage",
    "SyncService",
    "SyncedConversation",
    "TimelineView",
]
