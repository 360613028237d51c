"""Calls."""

from secureconnect.client.models.base import Model, Moment
from secureconnect.client.models.files import File

__all__ = ["Call", "CallEntry", "CallParticipant", "IceServer", "MyCall", "Recording", "SfuEntrance"]


class CallParticipant(Model, frozen=True, kw_only=True):
    """Who was called; `state` is invited, ringing, joined, reconnecting, left, declined or missed."""

    user_id: str
    display_name: str
    state: str
    joined_at: Moment | None = None
    left_at: Moment | None = None
    audio_muted: bool = False
    video_muted: bool = False
    screen_sharing: bool = False
    hand_raised: bool = False


class Call(Model, frozen=True, kw_only=True):
    """A call; `status` is ringing, active, ended, missed, declined or failed, `duration` in seconds."""

    call_id: str
    conversation_id: str
    caller_id: str
    call_type: str
    topology: str
    status: str
    max_participants: int
    participants: list[CallParticipant]
    ring_expires_at: Moment | None = None
    started_at: Moment | None = None
    ended_at: Moment | None = None
    duration: int
    end_reason: str | None = None
    recording: bool = False
    created_at: Moment


class MyCall(Call, frozen=True, kw_only=True):
    """A call in the user's history: `direction` is incoming or outgoing, `my_state` as of participants."""

    direction: str
    my_state: str


class IceServer(Model, frozen=True, kw_only=True):
    """A TURN or STUN server that media may use."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None
    credential_type: str = "password"

    def __repr__(self) -> str:
        return f"IceServer({self.urls!r})"


class SfuEntrance(Model, frozen=True, kw_only=True):
    """How to connect to the server that forwards media; the token is good for `expires_in` seconds."""

    url: str
    token: str
    expires_in: int

    def __repr__(self) -> str:
        return f"SfuEntrance({self.url!r})"


class CallEntry(Model, frozen=True, kw_only=True):
    """A call that the user is in; `sfu` is None in a mesh."""

    call: Call
    ice_servers: list[IceServer]
    sfu: SfuEntrance | None = None


class Recording(Model, frozen=True, kw_only=True):
    """A file that was recorded in a call."""

    recording_id: str
    file: File
    created_at: Moment
