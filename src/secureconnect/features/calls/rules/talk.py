"""A call with everybody in it, as one value. Times in milliseconds."""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from secureconnect.features.calls.api import CallStatus, CallType, EndReason, ParticipantState, Topology
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = [
    "OVER",
    "OWED",
    "CallLimits",
    "CallRecord",
    "Departure",
    "Participant",
    "Talk",
    "changed",
    "cleared",
    "invited",
    "may_signal",
    "no_call",
    "over",
]

#: States of a call that never change again.
OVER: Final = frozenset({"ended", "missed", "declined", "failed"})

#: The seq of a call whose `call_started` is not written yet; who is a member then sees the call.
OWED: Final = 2**62

#: States of somebody who takes part.
_IN: Final = frozenset({"joined", "reconnecting"})
#: States of somebody who has not answered yet.
_CALLED: Final = frozenset({"invited", "ringing"})

Departure = Literal["left", "connection_lost", "removed"]


class CallLimits(Struct, frozen=True):
    """Settings; times in seconds. `topology` is what a call becomes that does not say which it wants."""

    topology: Literal["auto", "mesh", "sfu"]
    ring_timeout: float
    max_duration: float
    reconnect_window: float
    reaper_interval: float


class CallRecord(Struct, frozen=True, kw_only=True):
    """A call as stored. `seq` is where its `call_started` stands, or `OWED`; `version` grows with each
    change."""

    call_id: str
    conversation_id: str
    conversation_type: Literal["direct", "group"]
    caller_id: str
    call_type: CallType
    topology: Topology
    status: CallStatus
    max_participants: int
    ring_expires_at: int
    started_at: int | None = None
    ended_at: int | None = None
    duration: int = 0
    end_reason: EndReason | None = None
    sfu_lost_at: int | None = None
    seq: int = 0
    version: int = 0
    created_at: int

    @property
    def over(self) -> bool:
        """Whether the call reached its final state."""
        return self.status in OVER


class Participant(Struct, frozen=True, kw_only=True):
    """Somebody in a call, as stored.

    `session_id` is by which it takes part, and `connection_id` the signaling socket that joined, on the
    process `process_id`; None before the first one. `lost_at` is when that socket went without a `leave`.
    `withdrawn`: the invitation ended, with the membership.
    """

    user_id: str
    state: ParticipantState
    invited_at: int
    ring_expires_at: int
    session_id: str | None = None
    connection_id: str | None = None
    process_id: str | None = None
    joined_at: int | None = None
    left_at: int | None = None
    lost_at: int | None = None
    audio_muted: bool = False
    video_muted: bool = False
    screen_sharing: bool = False
    hand_raised: bool = False
    recording: bool = False
    withdrawn: bool = False
    rating: int | None = None
    rating_comment: str | None = None

    @property
    def taking_part(self) -> bool:
        """Whether it is in the call; one whose socket is lost counts until its time is over."""
        return self.state in _IN

    @property
    def called(self) -> bool:
        """Whether it has not answered yet."""
        return self.state in _CALLED


class Talk(Struct, frozen=True):
    """A call with everybody in it."""

    call: CallRecord
    people: Mapping[str, Participant]

    @property
    def inside(self) -> list[Participant]:
        """Everybody who takes part."""
        return [person for person in self.people.values() if person.taking_part]

    @property
    def recording(self) -> bool:
        """Whether somebody in it records."""
        return any(person.recording for person in self.people.values())


def no_call() -> ApiError:
    """There is no such call."""
    return ApiError(ErrorCode.NOT_FOUND, "There is no such call.")


def over() -> ApiError:
    """The call is over."""
    return ApiError(ErrorCode.CALL_ENDED, "This call is over.")


def invited(talk: Talk, user_id: str) -> Participant:
    """Somebody who was called, or calls.

    Raises:
        ApiError: `FORBIDDEN`.
    """
    person = talk.people.get(user_id)
    if person is None or person.withdrawn:
        raise ApiError(ErrorCode.FORBIDDEN, "You are not invited to this call.")
    return person


def may_signal(talk: Talk, user_id: str) -> Participant:
    """The participant whom the signaling socket of this call is open to.

    Raises:
        ApiError: `FORBIDDEN`, `CALL_ENDED`.
    """
    person = invited(talk, user_id)
    if talk.call.over:
        raise over()
    return person


def cleared(person: Participant) -> Participant:
    """Without what a participant shows while it is in a call."""
    return replace(
        person,
        audio_muted=False,
        video_muted=False,
        screen_sharing=False,
        hand_raised=False,
        recording=False,
    )


def changed(talk: Talk, person: Participant) -> Talk:
    """The call with this participant as it is now."""
    return Talk(talk.call, {**talk.people, person.user_id: person})
