"""What other features may ask about calls, and calls as clients see them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from secureconnect.kit.objects import Id, Time

__all__ = [
    "Call",
    "CallParticipant",
    "CallStatus",
    "CallType",
    "EndReason",
    "ParticipantState",
    "Topology",
]

CallType = Literal["audio", "video"]
Topology = Literal["mesh", "sfu"]
CallStatus = Literal["ringing", "active", "ended", "missed", "declined", "failed"]
EndReason = Literal[
    "hangup",
    "cancelled",
    "declined",
    "ring_timeout",
    "max_duration",
    "connection_lost",
    "sfu_failed",
    "admin",
]
ParticipantState = Literal["invited", "ringing", "joined", "reconnecting", "left", "declined", "missed"]


class CallParticipant(Struct, frozen=True, kw_only=True):
    """Somebody who was called, or calls. `joined_at` and `left_at` are the last ones."""

    user_id: Id
    display_name: Annotated[str, Meta(min_length=1, max_length=100)]
    state: ParticipantState
    joined_at: Time | None
    left_at: Time | None
    audio_muted: bool
    video_muted: bool
    screen_sharing: bool
    hand_raised: bool


class Call(Struct, frozen=True, kw_only=True):
    """A call. `started_at` is the first answer; `duration` in seconds, 0 before it; `recording`: somebody in
    it records."""

    call_id: Id
    conversation_id: Id
    caller_id: Id
    call_type: CallType
    topology: Topology
    status: CallStatus
    max_participants: int
    participants: list[CallParticipant]
    ring_expires_at: Time | None
    started_at: Time | None
    ended_at: Time | None
    duration: int
    end_reason: EndReason | None
    recording: bool
    created_at: Time
