"""What other features may ask of messages, and what messages need from features that stand on them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Final, Literal, Protocol

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import Connection

from secureconnect.features.conversations.api import Facts
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import AttachedFile, Quote, StoredMessage
from secureconnect.kit.errors import ApiError, Detail, ErrorCode
from secureconnect.kit.objects import Message, Poll
from secureconnect.kit.principal import Principal, RequestContext

__all__ = [
    "DeleteReason",
    "MessageNotices",
    "Messages",
    "Metadata",
    "MetadataValue",
    "Online",
    "Outgoing",
    "PollCards",
    "refusal",
    "stored_metadata",
]

_METADATA_BYTES: Final = 16 * 1024
_VALUE_CHARS: Final = 1000

DeleteReason = Literal["sender", "moderator", "expired", "erased"]

MetadataValue = str | int | float | bool
Metadata = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=100)],
        Annotated[str, Meta(max_length=_VALUE_CHARS)] | int | float | bool,
    ],
    Meta(max_length=32),
]
"""The metadata of a message as requests give it; what `stored_metadata` makes of it is stored."""

_encode = msgspec.json.Encoder().encode


def refusal(
    facts: Facts,
    sender_id: str | None,
    *,
    is_encrypted: bool,
    files_encrypted: bool = True,
    calls_everybody: bool = False,
) -> ApiError | None:
    """Why the member `sender_id` may not send now, or None when it may; None is a webhook.

    `FORBIDDEN` (post permission, a block in a direct conversation, a mention of everybody by a member), then
    `E2EE_REQUIRED`. `files_encrypted`: all attachments are; `calls_everybody`: mention_all or mention_here.
    """
    if sender_id is not None:
        role = facts.members[sender_id].role
        if facts.settings.post_permission == "admins" and role != "admin":
            return ApiError(ErrorCode.FORBIDDEN, "Only admins may post in this conversation.")
        if facts.blocked:
            return ApiError(ErrorCode.FORBIDDEN, "Sending into this conversation is not allowed.")
        if calls_everybody and role != "admin":
            return ApiError(ErrorCode.FORBIDDEN, "Only admins may mention everybody.")
    if facts.settings.is_e2ee_enabled and not (is_encrypted and files_encrypted):
        return ApiError(ErrorCode.E2EE_REQUIRED)
    return None


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

    async def delete(self, caller: Principal, message_id: str, context: RequestContext) -> None:
        """Delete a message for everyone, as far as the caller may: its sender or a conversation admin.

        A message that is deleted already stays so, without another event.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `EDIT_WINDOW_EXPIRED`, `TIMELINE_UNAVAILABLE`.
        """

    def delete_in(
        self, tx: WriteTx, message: StoredMessage, *, at: int, by: str | None, reason: DeleteReason
    ) -> int | None:
        """Erase a message that was read in this transaction, whoever decided it, and tell its members.

        Everything that it said goes, with its versions, reactions, mentions, pin, grants of files, and its
        poll; permission and audit are the caller's business. `at` in ms; `by` is told as `deleted_by`.

        Returns the seq of the event, or None when the message was deleted before.

        Raises:
            GuardChanged: its conversation has no log any more.
        """

    async def rendered(self, viewer_id: str, stored: Sequence[StoredMessage]) -> list[Message]:
        """Messages as `viewer_id` sees them, in the same order; permission is the caller's business."""

    def hidden_in(self, conn: Connection, user_id: str, message_ids: Collection[str]) -> set[str]:
        """Those of `message_ids` that the user deleted for itself."""

    def called_in(
        self, conn: Connection, conversation_id: str, first: int, last: int
    ) -> Mapping[int, set[str]]:
        """Whom the messages from seq `first` to `last` mention, by seq; `*` is everybody."""


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


class MessageNotices(Protocol):
    """What inboxes have to know of messages; offered by notifications."""

    def read_in(self, tx: WriteTx, user_id: str, conversation_id: str, seq: int) -> None:
        """The user has read a conversation up to `seq`, in the transaction that moves the mark."""

    def schedule_failed_in(
        self, tx: WriteTx, user_id: str, scheduled_id: str, conversation_id: str, code: ErrorCode
    ) -> None:
        """A `system` notification, in the transaction that gives the message up."""


def stored_metadata(metadata: Mapping[str, MetadataValue]) -> tuple[dict[str, str], list[Detail]]:
    """The texts that are stored, and what is wrong with them. Numbers and booleans become their JSON form."""
    stored = {
        key: value if isinstance(value, str) else _encode(value).decode() for key, value in metadata.items()
    }
    faults = [
        Detail(f"metadata.{key}", f"at most {_VALUE_CHARS} characters")
        for key, value in stored.items()
        if len(value) > _VALUE_CHARS
    ]
    if sum(len(key.encode()) + len(value.encode()) for key, value in stored.items()) > _METADATA_BYTES:
        faults.append(Detail("metadata", f"at most {_METADATA_BYTES} bytes together"))
    return stored, faults
