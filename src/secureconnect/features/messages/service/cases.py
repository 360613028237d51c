"""All use cases of messages, put together."""

from typing import NamedTuple

from secureconnect.features.audit.api import Audit
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.files.api import Files
from secureconnect.features.messages.api import MessageNotices, PollCards
from secureconnect.features.messages.rules import MessageLimits
from secureconnect.features.messages.service.changing import Changes
from secureconnect.features.messages.service.deleting import DeleteService, Eraser
from secureconnect.features.messages.service.editing import EditService
from secureconnect.features.messages.service.expiring import ExpiryService
from secureconnect.features.messages.service.forwarding import ForwardService
from secureconnect.features.messages.service.history import HistoryService
from secureconnect.features.messages.service.marking import MarkService
from secureconnect.features.messages.service.neighbours import Neighbours
from secureconnect.features.messages.service.pinning import PinService
from secureconnect.features.messages.service.posting import Poster
from secureconnect.features.messages.service.reacting import ReactService
from secureconnect.features.messages.service.reading import ReadService
from secureconnect.features.messages.service.receipts import Receipts
from secureconnect.features.messages.service.receivers import ReceiverService
from secureconnect.features.messages.service.rendering import SenderNames
from secureconnect.features.messages.service.scheduling import ScheduleService
from secureconnect.features.messages.service.sending import SendService
from secureconnect.features.messages.service.syncing import SyncService
from secureconnect.features.messages.service.threading import ThreadService
from secureconnect.features.messages.service.viewing import TimelineView
from secureconnect.features.users.api import Users
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.pagination import Cursors

__all__ = ["UseCases", "use_cases"]


class UseCases(NamedTuple):
    """One field per use case or family of them; `neighbours` is for other features."""

    sending: SendService
    reading: ReadService
    syncing: SyncService
    marking: MarkService
    editing: EditService
    deleting: DeleteService
    eraser: Eraser
    reacting: ReactService
    pinning: PinService
    history: HistoryService
    threads: ThreadService
    forwarding: ForwardService
    receivers: ReceiverService
    scheduling: ScheduleService
    expiring: ExpiryService
    neighbours: Neighbours


def use_cases(
    *,
    database: Database,
    timeline: Timeline,
    bus: Bus,
    audit: Audit,
    clock: Clock,
    cursors: Cursors,
    users: Users,
    conversations: Conversations,
    files: Files,
    polls: PollCards,
    names: SenderNames,
    poster: Poster,
    view: TimelineView,
    receipts: Receipts,
    limits: MessageLimits,
    max_pins: int,
    max_scheduled: int,
    notices: MessageNotices | None,
) -> UseCases:
    """The use cases over these stores and neighbours."""
    reading = ReadService(timeline, conversations, view, cursors)
    changes = Changes(timeline, conversations)
    eraser = Eraser(timeline, changes, files, polls)
    deleting = DeleteService(changes, eraser, audit, clock, limits)
    sending = SendService(database, timeline, conversations, files, poster, limits)
    return UseCases(
        sending=sending,
        reading=reading,
        syncing=SyncService(timeline, conversations, view, cursors, clock, unread_cap=limits.unread_cap),
        marking=MarkService(database, timeline, conversations, users, receipts, clock, notices),
        editing=EditService(timeline, changes, files, names, clock, limits),
        deleting=deleting,
        eraser=eraser,
        reacting=ReactService(timeline, changes, reading, users, cursors, clock),
        pinning=PinService(
            database, timeline, conversations, changes, view, cursors, clock, max_pins=max_pins
        ),
        history=HistoryService(timeline, reading, cursors),
        threads=ThreadService(database, timeline, reading, view, bus, cursors, unread_cap=limits.unread_cap),
        forwarding=ForwardService(database, conversations, files, reading, poster),
        receivers=ReceiverService(conversations, users, reading, cursors),
        scheduling=ScheduleService(
            database, sending, conversations, users, notices, bus, cursors, clock, max_pending=max_scheduled
        ),
        expiring=ExpiryService(database, timeline, eraser, clock),
        neighbours=Neighbours(conversations, poster, deleting, eraser, view),
    )
