"""What all sessions of a process share, so that one session costs one pointer for it."""

from typing import TYPE_CHECKING, Protocol

from secureconnect.edge.access import Authenticator, Denials
from secureconnect.edge.realtime.background import Background
from secureconnect.edge.realtime.base import EventSource, Memberships
from secureconnect.edge.realtime.metrics import RealtimeMetrics
from secureconnect.edge.realtime.session.commands import CommandLimits, Commands
from secureconnect.edge.realtime.settings import RealtimeSettings
from secureconnect.edge.realtime.timers import Timers
from secureconnect.kit.clock import Clock

if TYPE_CHECKING:
    from secureconnect.edge.realtime.session.chat import Session

__all__ = ["Roster", "SessionHost"]

#: Frames that one socket may hold back before its `hello` or during its replay.
HELD_FRAMES = 128

#: Seconds before a replay asks the store again; doubled each time.
RETRY_FIRST = 0.05


class Roster(Protocol):
    """Where sessions sign off."""

    def detach(self, session: "Session") -> None:
        """The session's socket is gone."""


class SessionHost:
    """The dependencies of every session.

    Args:
        limits_enabled: False lifts the command limits of a socket (`rate_limits.enabled`).
    """

    __slots__ = (
        "authenticator",
        "background",
        "clock",
        "commands",
        "denials",
        "held_frames",
        "limits",
        "limits_enabled",
        "memberships",
        "metrics",
        "retry_first",
        "roster",
        "settings",
        "source",
        "timers",
    )

    def __init__(
        self,
        *,
        settings: RealtimeSettings,
        clock: Clock,
        timers: Timers,
        background: Background,
        roster: Roster,
        commands: Commands,
        limits: CommandLimits,
        limits_enabled: bool,
        authenticator: Authenticator,
        denials: Denials,
        memberships: Memberships,
        source: EventSource,
        metrics: RealtimeMetrics,
        held_frames: int = HELD_FRAMES,
        retry_first: float = RETRY_FIRST,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.timers = timers
        self.background = background
        self.roster = roster
        self.commands = commands
        self.limits = limits
        self.limits_enabled = limits_enabled
        self.authenticator = authenticator
        self.denials = denials
        self.memberships = memberships
        self.source = source
        self.metrics = metrics
        self.held_frames = held_frames
        self.retry_first = retry_first
