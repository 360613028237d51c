"""What presence contributes."""

from collections.abc import Callable
from typing import Protocol

from secureconnect.edge.module import Module
from secureconnect.edge.realtime.background import Background
from secureconnect.edge.realtime.session.chat import Session
from secureconnect.edge.realtime.timers import Timers
from secureconnect.features.presence.http import routes
from secureconnect.features.presence.rules import PresenceTimes
from secureconnect.features.presence.service import SOCKET_TTL, PresenceService, Relations
from secureconnect.features.presence.socket import Lifetimes, Sockets, Watches, commands
from secureconnect.infra.bus.base import Bus
from secureconnect.kit.clock import Clock
from secureconnect.kit.hints import CONTROL, Hint, PresenceChanged, ProcessGone, ProfileChanged, SessionEnded

__all__ = ["SocketsOfProcess", "module"]


class SocketsOfProcess(Sockets, Protocol):
    """What presence needs of the hub."""

    def on_socket(self, listener: Callable[[str, Session], None]) -> None:
        """Call `listener(user_id, session)` for every socket that opens."""


def module(
    *,
    presence: PresenceService,
    relations: Relations,
    sockets: SocketsOfProcess,
    bus: Bus,
    clock: Clock,
    timers: Timers,
    background: Background,
    times: PresenceTimes,
) -> Module:
    """Presence over HTTP and on sockets. `presence` also answers `users.api.Statuses`."""
    lifetimes = Lifetimes(presence, timers, background, times)
    watches = Watches(
        presence, relations, sockets, timers, background, clock, min_interval=times.min_interval
    )

    def heard(hint: Hint) -> None:
        match hint:
            case PresenceChanged() | ProfileChanged():
                watches.changed(hint.user_id)
            case SessionEnded():
                lifetimes.session_ended(hint.user_id, hint.session_id)
            case ProcessGone():
                watches.look_again(SOCKET_TTL)
            case _:
                pass

    async def start() -> None:
        sockets.on_socket(lifetimes.opened)
        bus.on_doubt(lambda over: watches.all_changed() if over else None)
        await bus.subscribe(CONTROL, heard)

    return Module(
        name="presence",
        role="chat",
        routes=routes(presence, lifetimes, ttl=times.ttl),
        commands=commands(presence, watches),
        start=start,
    )
