"""How messages are put together."""

from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.edge.module import Module
from secureconnect.edge.realtime.timers import Timers
from secureconnect.features.audit.api import Audit
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.files.api import Files
from secureconnect.features.messages.api import MessageNotices, PollCards
from secureconnect.features.messages.module import module
from secureconnect.features.messages.rules import MessageLimits
from secureconnect.features.messages.service import (
    Announcer,
    Neighbours,
    Poster,
    Receipts,
    SenderNames,
    TimelineView,
    UseCases,
    use_cases,
)
from secureconnect.features.users.api import Users

__all__ = ["wire_messages"]


def wire_messages(
    settings: Settings,
    stores: Stores,
    *,
    timers: Timers,
    audit: Audit,
    users: Users,
    conversations: Conversations,
    files: Files,
    polls: PollCards,
    names: SenderNames,
    poster: Poster,
    announcer: Announcer,
    view: TimelineView,
    notices: MessageNotices | None = None,
) -> tuple[Module, UseCases, Neighbours]:
    """The feature, its use cases, and what other features are told of it."""
    messaging = settings.messaging
    cases = use_cases(
        database=stores.database,
        timeline=stores.timeline,
        bus=stores.bus,
        audit=audit,
        clock=stores.clock,
        cursors=stores.cursors,
        users=users,
        conversations=conversations,
        files=files,
        polls=polls,
        names=names,
        poster=poster,
        view=view,
        receipts=Receipts(stores.bus, timers),
        limits=MessageLimits(
            messaging.max_content_chars,
            messaging.max_encrypted_bytes,
            messaging.unread_cap,
            messaging.max_attachments,
            messaging.edit_window,
            messaging.delete_window,
            messaging.max_edits,
        ),
        max_pins=settings.conversations.max_pins,
        max_scheduled=messaging.max_scheduled,
        notices=notices,
    )
    built = module(
        cases,
        timeline=stores.timeline,
        conversations=conversations,
        bus=stores.bus,
        clock=stores.clock,
        announcer=announcer,
        typing_interval=settings.realtime.typing_interval,
        dedup_hours=settings.messaging.dedup_hours,
    )
    return built, cases, cases.neighbours
