"""The fields of signaling commands and frames (docs/reference/realtime.md §10)."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from secureconnect.edge.validation import Opaque, Uuid
from secureconnect.features.calls.api import Call
from secureconnect.features.calls.service.admitting import SfuEntrance

__all__ = [
    "Candidate",
    "Description",
    "Encrypted",
    "IceCandidate",
    "Join",
    "JoinAck",
    "Mute",
    "Raise",
    "Ringing",
    "Share",
]


class Join(Struct):
    """Take part through this socket; with `takeover` also when another session of the user does."""

    takeover: bool = False


class JoinAck(Struct, frozen=True):
    """The `ack` of `join`; `sfu` is null in a mesh."""

    call: Call
    sfu: SfuEntrance | None


class Description(Struct):
    """An offer or an answer; without `target_id` for everybody else."""

    sdp: Annotated[Opaque, Meta(min_length=1, max_length=60_000)]
    target_id: Uuid | None = None


class Candidate(Struct):
    """An ICE candidate; an empty one is the end of candidates."""

    candidate: Annotated[Opaque, Meta(max_length=2048)]
    sdpMid: Annotated[Opaque, Meta(max_length=64)] | UnsetType | None = UNSET  # noqa: N815 - as browsers do
    sdpMLineIndex: Annotated[int, Meta(ge=0, le=255)] | UnsetType | None = UNSET  # noqa: N815
    usernameFragment: Annotated[Opaque, Meta(max_length=256)] | UnsetType | None = UNSET  # noqa: N815


class IceCandidate(Struct):
    """A candidate for somebody, or for everybody else."""

    candidate: Candidate
    target_id: Uuid | None = None


class Encrypted(Struct):
    """What only the devices understand."""

    payload: Annotated[Opaque, Meta(min_length=1, max_length=32_768)]
    target_id: Uuid | None = None


class Mute(Struct):
    """Whether the sender's sound or picture is off."""

    muted: bool


class Share(Struct):
    """A screen is shared, or no more."""

    stream_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None


class Raise(Struct):
    """Whether the sender's hand is up."""

    raised: bool


class Ringing(Struct):
    """The device that says so rings for this call."""

    call_id: Uuid
