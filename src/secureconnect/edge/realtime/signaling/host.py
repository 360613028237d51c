"""What all signaling sockets of a process share."""

from secureconnect.edge.access import Authenticator, Denials
from secureconnect.edge.realtime.background import Background
from secureconnect.edge.realtime.metrics import RealtimeMetrics
from secureconnect.edge.realtime.session.commands import CommandLimits, Commands
from secureconnect.edge.realtime.settings import RealtimeSettings
from secureconnect.edge.realtime.signaling.base import CallSockets
from secureconnect.edge.realtime.signaling.rooms import Rooms
from secureconnect.edge.realtime.timers import Timers
from secureconnect.kit.clock import Clock

__all__ = ["SignalHost"]


class SignalHost:
    """The dependencies of every signaling session. `limits_enabled` as for chat sockets."""

    __slots__ = (
        "authenticator",
        "background",
        "calls",
        "clock",
        "commands",
        "denials",
        "limits",
        "limits_enabled",
        "metrics",
        "rooms",
        "settings",
        "timers",
    )

    def __init__(
        self,
        *,
        settings: RealtimeSettings,
        clock: Clock,
        timers: Timers,
        background: Background,
        rooms: Rooms,
        calls: CallSockets,
        commands: Commands,
        limits: CommandLimits,
        limits_enabled: bool,
        authenticator: Authenticator,
        denials: Denials,
        metrics: RealtimeMetrics,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.timers = timers
        self.background = background
        self.rooms = rooms
        self.calls = calls
        self.commands = commands
        self.limits = limits
        self.limits_enabled = limits_enabled
        self.authenticator = authenticator
        self.denials = denials
        self.metrics = metrics
