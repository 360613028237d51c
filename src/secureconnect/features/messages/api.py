"""What other features may ask of messages, and what messages need from features that stand on them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import AttachedFile, Quote, StoredMessage
from secureconnect.kit.objects import Message, Poll

__all__ = ["Messages", "Online", "Outgoing", "PollCards"]


class Outgoing(Struct, frozen=True, kw_only=True):
    """A message that is ready to be sent: every field is checked, every file may be attached.

    `sender_id` None is a webhook called `sender_name`. `e2ee` is the encoded JSON object. `root_author_id`
    wrote the root of the thread. `mentions` may name anybody; members are kept.
    """

    conversation_id: str
    sender_id: str | None
    sender_name: str | None = None
    client_message_id: str | None = None
    content: str
    is_encrypted: bool = False
    message_type: str = "text"
    metadata: dict[str, str] = {}
    e2ee: bytes | None = None
    attachments: tuple[AttachedFile, ...] = ()
    quote: Quote | None = None
    thread_root_id: str | None = None
    root_author_id: str | None = None
    mentions: tuple[str, ...] = ()
    mention_all: bool = False
    mention_here: bool = False
    silent: bool = False
    forwarded: bool = False


class Messages(Protocol):
    """Messages for other features."""

    async def post(self, outgoing: Outgoing) -> Message:
        """Append a message once it is committed durably; a repeat of its client_message_id gives the first.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `E2EE_REQUIRED`, `TIMELINE_UNAVAILABLE`.
        """

    async def rendered(self, viewer_id: str, stored: Sequence[StoredMessage]) -> list[Message]:
        """Messages as `viewer_id` sees them, in the same order; permission is the caller's business."""

    def hidden_in(self, conn: Connection, user_id: str, message_ids: Collection[str]) -> set[str]:
        """Those of `message_ids` that the user deleted for itself."""


class PollCards(Protocol):
    """Polls as members see them; offered by `polls`."""

    async def cards(self, viewer_id: str | None, poll_ids: Collection[str]) -> Mapping[str, Poll]:
        """Those that exist, as `viewer_id` sees them; None is nobody in particular."""

    def delete_in(self, tx: WriteTx, poll_id: str) -> None:
        """The message of a poll is being deleted: forget the poll and its votes."""


class Online(Protocol):
    """Who is there right now; offered by `presence`."""

    async def online_among(self, user_ids: Collection[str]) -> set[str]:
        """Those of `user_ids` whose effective status is `online`."""
