"""The port of the server that forwards the media of calls too large for a mesh.

Rooms are named by call ids, participants by user ids. The server forwards what it is given: in an encrypted
conversation that is ciphertext, and the keys take another way (the signaling command `encrypted`).
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

__all__ = [
    "Sfu",
    "SfuEvent",
    "SfuEventKind",
    "SfuParticipant",
    "SfuPass",
    "SfuUnavailable",
    "WebhookRefused",
]

SfuEventKind = Literal["room_started", "room_finished", "participant_joined", "participant_left", "other"]


class SfuUnavailable(Exception):
    """The server did not do it: away, too slow, or not content with our key. `reason` names no address."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class WebhookRefused(Exception):
    """What came in was not written by the server, or long ago, or to somebody else."""


class SfuPass(NamedTuple):
    """What a client connects with. `token` admits one user to one room, and has to be used within
    `expires_in` seconds; a connection made in time goes on after that."""

    url: str
    token: str
    expires_in: int

    def __repr__(self) -> str:
        return f"SfuPass({self.url!r}, {self.expires_in})"


class SfuParticipant(Struct, frozen=True):
    """Somebody who is connected to a room. `joined_at` in milliseconds since the epoch, to the second."""

    user_id: str
    joined_at: int


class SfuEvent(Struct, frozen=True):
    """What the server tells by webhook: at least once, in no order, perhaps late.

    `event_id` is the same in repeats. `room` is empty when the event is about no room, `user_id` None when it
    is about no participant. `at` is when it happened, in milliseconds since the epoch, to the second.
    """

    event_id: str
    kind: SfuEventKind
    room: str
    user_id: str | None
    at: int


class Sfu(Protocol):
    """Whoever is asked for a room that is gone, or to remove who is not there, has what was wanted: no error.

    Attributes:
        configured: whether there is a server at all. When not, everything below that may raise does.
        max_participants: the most that a room takes.
    """

    @property
    def configured(self) -> bool: ...

    @property
    def max_participants(self) -> int: ...

    async def open_room(self, room: str, *, max_participants: int) -> None:
        """Make the room; a room that exists stays as it is. An empty room is given up by the server after
        some minutes. Nobody enters a room that was not opened.

        Raises:
            SfuUnavailable.
        """

    async def rooms(self) -> Sequence[str]:
        """The rooms that are open, also those of others who share the server.

        Raises:
            SfuUnavailable.
        """

    def admit(self, room: str, user_id: str, *, now: int) -> SfuPass:
        """A pass to publish and subscribe in that room under that identity, and to nothing else. Asks nobody.
        The same identity connecting again replaces its earlier connection.

        Raises:
            SfuUnavailable: only when not `configured`.
        """

    async def participants(self, room: str) -> Sequence[SfuParticipant]:
        """Who is connected now; nobody in a room that does not exist.

        Raises:
            SfuUnavailable.
        """

    async def remove(self, room: str, user_id: str) -> None:
        """End somebody's connection. A pass given before stays good until it expires.

        Raises:
            SfuUnavailable.
        """

    async def close_room(self, room: str) -> None:
        """End every connection to the room and forget it.

        Raises:
            SfuUnavailable.
        """

    def read_webhook(self, body: bytes, authorization: str, *, now: int) -> SfuEvent:
        """What the server told, once its signature over `body` is verified.

        Args:
            authorization: the header of that name.

        Raises:
            WebhookRefused.
        """

    async def ping(self) -> float | None:
        """Seconds that the server took to answer a request with our key, None where there is no server.

        Raises:
            SfuUnavailable: it does not.
        """

    async def close(self) -> None:
        """End connections."""
