"""What the server sends on signaling sockets (docs/reference/realtime.md §10)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from secureconnect.app.asyncapi.chat import CallUpdated, Error, GoingAway, Pong, TokenExpiring, by_type
from secureconnect.features.calls.api import Call, CallParticipant, CallStatus, EndReason
from secureconnect.features.calls.service.admitting import IceServerObject
from secureconnect.features.calls.socket.bodies import Candidate
from secureconnect.kit.objects import Id, Time

__all__ = ["SIGNALING_FRAMES"]


class SignalingWelcome(Struct, kw_only=True, tag_field="type", tag="welcome"):
    """The first frame. `reconnected`: the user takes part already, and needs no `join`."""

    connection_id: Id
    user_id: Id
    session_id: Id
    server_time: Time
    token_expires_at: Time
    ping_interval: float
    idle_timeout: float
    max_frame_bytes: int
    protocol: str
    call: Call
    ice_servers: list[IceServerObject]
    reconnected: bool


class _Relayed(Struct, kw_only=True):
    call_id: Id
    sender_id: Id
    timestamp: Time


class _Targeted(_Relayed, kw_only=True):
    target_id: Id | msgspec.UnsetType = msgspec.UNSET


class Offer(_Targeted, kw_only=True, tag_field="type", tag="offer"):
    """An offer of another participant, byte for byte."""

    sdp: str


class Answer(_Targeted, kw_only=True, tag_field="type", tag="answer"):
    """An answer of another participant, byte for byte."""

    sdp: str


class IceCandidateFrame(_Targeted, kw_only=True, tag_field="type", tag="ice_candidate"):
    """A candidate of another participant; an empty one is the end of candidates."""

    candidate: Candidate


class EncryptedFrame(_Targeted, kw_only=True, tag_field="type", tag="encrypted"):
    """What only the devices understand."""

    payload: str


class MuteAudio(_Relayed, kw_only=True, tag_field="type", tag="mute_audio"):
    """Somebody's sound is off, or on again."""

    muted: bool


class MuteVideo(_Relayed, kw_only=True, tag_field="type", tag="mute_video"):
    """Somebody's picture is off, or on again."""

    muted: bool


class ScreenShareStarted(_Relayed, kw_only=True, tag_field="type", tag="screen_share_started"):
    """Somebody shares a screen."""

    stream_id: Annotated[str, Meta(min_length=1, max_length=128)] | msgspec.UnsetType = msgspec.UNSET


class ScreenShareStopped(_Relayed, kw_only=True, tag_field="type", tag="screen_share_stopped"):
    """Somebody shares it no more."""

    stream_id: Annotated[str, Meta(min_length=1, max_length=128)] | msgspec.UnsetType = msgspec.UNSET


class HandRaised(_Relayed, kw_only=True, tag_field="type", tag="hand_raised"):
    """Somebody's hand is up, or down again."""

    raised: bool


class RecordingStarted(_Relayed, kw_only=True, tag_field="type", tag="recording_started"):
    """Somebody records: whoever does not want to be recorded may leave."""


class RecordingStopped(_Relayed, kw_only=True, tag_field="type", tag="recording_stopped"):
    """Somebody records no more."""


class JoinFrame(Struct, kw_only=True, tag_field="type", tag="join"):
    """Somebody joined; the one that joins later sends the offers."""

    call_id: Id
    sender_id: Id
    participant: CallParticipant


class LeaveFrame(Struct, kw_only=True, tag_field="type", tag="leave"):
    """Somebody is out."""

    call_id: Id
    sender_id: Id
    reason: Literal["left", "connection_lost", "removed"]


class ParticipantReconnecting(Struct, kw_only=True, tag_field="type", tag="participant_reconnecting"):
    """Somebody's socket was lost; it may come back until then."""

    call_id: Id
    user_id: Id
    until: Time


class Reconnected(Struct, kw_only=True, tag_field="type", tag="reconnected"):
    """Somebody is back, without a new `join`; to everybody, itself too."""

    call_id: Id
    user_id: Id
    participants: list[CallParticipant]


class CallEndedFrame(Struct, kw_only=True, tag_field="type", tag="call_ended"):
    """The call is over; the socket closes with 4006."""

    call_id: Id
    status: CallStatus
    end_reason: EndReason | None
    duration: int


SIGNALING_FRAMES = by_type(
    SignalingWelcome,
    Error,
    Pong,
    Offer,
    Answer,
    IceCandidateFrame,
    EncryptedFrame,
    MuteAudio,
    MuteVideo,
    ScreenShareStarted,
    ScreenShareStopped,
    HandRaised,
    RecordingStarted,
    RecordingStopped,
    JoinFrame,
    LeaveFrame,
    ParticipantReconnecting,
    Reconnected,
    CallUpdated,
    CallEndedFrame,
    TokenExpiring,
    GoingAway,
)
