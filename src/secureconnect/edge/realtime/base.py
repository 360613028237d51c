"""The seams of the realtime edge: transport ↔ session ↔ features."""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, Protocol

import msgspec

from secureconnect.edge.realtime.close import CloseCode
from secureconnect.kit.errors import ApiError
from secureconnect.kit.principal import Principal

__all__ = [
    "Admission",
    "CallDoor",
    "Endings",
    "EventFrame",
    "EventSource",
    "Gate",
    "Memberships",
    "Receiver",
    "Refusal",
    "Socket",
    "Standing",
    "UpgradeRequest",
]


class UpgradeRequest(msgspec.Struct, frozen=True):
    """An HTTP request that wants to become a socket. Header names are lower case; repeated ones are joined
    with `, `. `peer` is the address of the TCP peer."""

    method: str
    path: str
    query: bytes
    headers: Mapping[str, str]
    peer: str
    secure: bool


class Refusal(msgspec.Struct, frozen=True):
    """The HTTP answer to a refused upgrade."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Socket(Protocol):
    """What the transport offers the session of one open socket. All calls on the event loop; none blocks."""

    def send(self, frame: bytes, *, ephemeral: bool = False) -> None:
        """Queue one complete wire frame (`text_frame`). All frames of one loop tick are written together.

        Ephemeral frames are dropped while the outgoing buffer is over half full; when a durable one does not
        fit (`realtime.send_buffer_frames`, `realtime.send_buffer_bytes`) the socket closes with 4008.
        After `close` it does nothing.
        """

    def close(self, code: CloseCode, *, retry_after_ms: int | None = None) -> None:
        """Send what is queued, then a close frame with the reason; the place is held until the peer left."""

    async def drained(self) -> None:
        """Return when the outgoing buffer is small enough to go on with a replay, or the socket is closed."""

    def pause_reading(self) -> None:
        """Take no more frames from the peer until `resume_reading`."""

    def resume_reading(self) -> None:
        """Undo `pause_reading`."""

    @property
    def open(self) -> bool:
        """False once closing began."""


class Receiver(Protocol):
    """The session of one socket, as the transport sees it."""

    def text(self, payload: bytes) -> None:
        """One complete text message (UTF-8 checked)."""

    def closed(self, code: int) -> None:
        """The socket is gone, with the close code sent or received (1006 if none). Called exactly once."""


class Admission(msgspec.Struct, frozen=True):
    """Leave to open: the subprotocol to select and how to make the session. `abandoned` is called instead of
    `opened` when the peer vanished meanwhile or its handshake is not valid, and after an `opened` that
    raised: in these cases no `Receiver.closed` follows."""

    subprotocol: str | None
    max_frame_bytes: int
    opened: Callable[[Socket], Receiver]
    abandoned: Callable[[], None]


class Gate(Protocol):
    """Decides about upgrades."""

    async def admit(self, request: UpgradeRequest) -> Admission:
        """Raises ApiError to refuse."""

    def refuse(self, request: UpgradeRequest, error: ApiError) -> Refusal:
        """Render a refusal as the product's envelope, with all usual headers; counts and logs it."""


class Standing(NamedTuple):
    """How a user stands in a conversation: the lowest seq it may read and the head when it was read."""

    first_visible_seq: int
    last_seq: int


class EventFrame(NamedTuple):
    """One durable event, rendered for one user as a complete wire frame."""

    seq: int
    frame: bytes


class Memberships(Protocol):
    """Who is where; offered by the conversations feature."""

    async def standings(self, user_id: str) -> Mapping[str, Standing]:
        """Every conversation that the user is a member of now."""

    async def require(self, user_id: str, conversation_id: str) -> None:
        """Raises ApiError `NOT_FOUND` for an unknown conversation, `FORBIDDEN` for one without this user."""

    async def counts(self, user_ids: Collection[str]) -> Mapping[str, int]:
        """In how many conversations each of these users is; those in none may be left out."""

    async def standing(self, user_id: str, conversation_id: str) -> Standing | None:
        """One of them; None for strangers and unknown conversations."""

    async def added_frame(self, user_id: str, conversation_id: str) -> bytes | None:
        """The wire frame `conversation_added` for this user; None when no member any more."""


class Endings(Protocol):
    """Which sessions ended; offered by the owners of bearer tokens."""

    async def ended_among(self, principals: Collection[Principal]) -> Mapping[str, int]:
        """The close code for each ended one among the sessions of `principals`, by session id."""


class CallDoor(Protocol):
    """Who may open the signaling socket of a call; for tickets. Offered by the calls feature."""

    async def require(self, user_id: str, call_id: str) -> None:
        """Return when the user is invited to a call that goes on.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `CALL_ENDED`.
        """


class EventSource(Protocol):
    """Durable events by position; offered by the messages feature."""

    async def heads(self, conversation_ids: Collection[str]) -> Mapping[str, int]:
        """The last seq of each conversation that exists."""

    async def frames(
        self, user_id: str, conversation_id: str, *, after_seq: int, upto_seq: int, limit: int
    ) -> list[EventFrame]:
        """Ascending frames with after_seq < seq ≤ upto_seq, at most `limit`, rendered for `user_id`.

        Permission is the caller's business. Raises ApiError when the store cannot answer.
        """
