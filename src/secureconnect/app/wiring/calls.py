"""How calls are put together."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from secureconnect.app.late import Late
from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.app.wiring.media import ice_servers, sfu, sfu_ping
from secureconnect.edge.module import Module
from secureconnect.edge.realtime.background import Background
from secureconnect.edge.realtime.session.commands import Commands
from secureconnect.edge.realtime.signaling.rooms import Rooms
from secureconnect.features.audit.api import Audit
from secureconnect.features.calls.module import module
from secureconnect.features.calls.rules import CallLimits
from secureconnect.features.calls.service import (
    Admissions,
    Announcer,
    AnswerService,
    CallAllowed,
    CallReadService,
    Desk,
    Followed,
    InitiateService,
    Logbook,
    Presences,
    Pulse,
    Reaper,
    RecordingService,
    SfuNews,
    StoredRoster,
    Summons,
)
from secureconnect.features.calls.service.counting import Running
from secureconnect.features.calls.service.sfu_rooms import SfuRooms
from secureconnect.features.calls.service.summons import Inboxes, Ringers
from secureconnect.features.calls.socket import Switchboard, signal_commands
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.files.api import Files
from secureconnect.features.friends.api import Friends
from secureconnect.features.messages.api import Messages
from secureconnect.features.users.api import Users

__all__ = ["CallParts", "wire_calls"]


class CallParts(Struct, frozen=True):
    """What the signaling edge and others stand on, and the module."""

    rooms: Rooms
    switchboard: Switchboard
    commands: Commands
    reading: CallReadService
    reaper: Reaper
    following: Followed
    ping_sfu: Callable[[], Awaitable[float]] | None
    module: Module


def wire_calls(
    settings: Settings,
    stores: Stores,
    *,
    background: Background,
    audit: Audit,
    users: Users,
    friends: Friends,
    conversations: Conversations,
    files: Files,
    messages: Messages,
    inboxes: Inboxes,
    ringers: Ringers,
    followed: Late,
) -> CallParts:
    """The feature; `followed` hears the commits of the timeline."""
    database, clock = stores.database, stores.clock
    metrics = stores.metrics.calls
    chosen = settings.calls
    limits = CallLimits(
        chosen.topology,
        chosen.ring_timeout,
        chosen.max_duration,
        chosen.reconnect_window,
        chosen.reaper_interval,
    )
    forwarder = sfu(settings, stores.metrics, clock)
    rooms = Rooms(stores.bus, StoredRoster(database))
    metrics.watch_rooms(lambda: len(rooms))
    admissions = Admissions(ice_servers(settings, stores.metrics), forwarder, background, clock)
    logbook = Logbook(database, stores.timeline, conversations, stores.outbox, clock)
    desk = Desk(
        logbook,
        users,
        audit,
        Summons(conversations, inboxes, ringers, clock),
        Announcer(stores.bus, rooms),
        metrics,
    )
    running = Running(database, metrics, background)
    desk.on_change(admissions.changed)
    desk.on_change(running.changed)
    allowed = CallAllowed(users, friends)
    reading = CallReadService(database, conversations, users, stores.cursors)
    answering = AnswerService(database, conversations, logbook, desk, allowed, metrics, clock, limits)
    recordings = RecordingService(database, conversations, files, messages, desk, reading, clock)
    presences = Presences(desk, rooms, metrics, clock, limits)
    pulse = Pulse(database, rooms.process_id, clock, every=limits.reaper_interval)
    sfu_rooms = SfuRooms(database, desk, forwarder, clock)
    reaper = Reaper(
        database,
        conversations,
        friends,
        desk,
        presences,
        reading,
        rooms,
        sfu_rooms,
        running,
        pulse,
        metrics,
        clock,
        limits,
    )
    switchboard = Switchboard(
        rooms, reading, answering, recordings, presences, pulse, admissions, conversations, metrics, clock
    )

    following = Followed(reaper, background)
    followed.source = following

    async def stop() -> None:
        rooms.close()
        await forwarder.close()

    return CallParts(
        rooms,
        switchboard,
        Commands(signal_commands(switchboard)),
        reading,
        reaper,
        following,
        sfu_ping(forwarder),
        module(
            initiating=InitiateService(
                database,
                conversations,
                users,
                audit,
                logbook,
                desk,
                allowed,
                admissions,
                metrics,
                clock,
                limits,
            ),
            answering=answering,
            reading=reading,
            recordings=recordings,
            admissions=admissions,
            news=SfuNews(database, desk, forwarder, sfu_rooms, clock),
            reaper=reaper,
            limits=limits,
            start=rooms.open,
            stop=stop,
        ),
    )
