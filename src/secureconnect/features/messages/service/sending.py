"""Sending: what a user asks for becomes a message that is ready to be appended."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from secureconnect.edge.validation import Opaque, Uuid
from secureconnect.features.conversations.api import Conversations, Facts
from secureconnect.features.files.api import Files
from secureconnect.features.messages.api import Metadata, Outgoing
from secureconnect.features.messages.rules import MessageLimits, check_content, check_member
from secureconnect.features.messages.service.posting import Poster, Sent
from secureconnect.infra.database.base import Database
from secureconnect.infra.timeline.base import PREVIEW, AttachedFile, Quote, StoredMessage, Timeline
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.principal import Principal

__all__ = ["SendRequest", "SendService"]


class SendRequest(Struct):
    """The fields of a send, over HTTP and on sockets alike.

    `content` is text of at most `messaging.max_content_chars` characters, with `is_encrypted` opaque and at
    most `messaging.max_encrypted_bytes` long. Values of `metadata` are stored as text.
    """

    conversation_id: Uuid
    content: Annotated[Opaque, Meta(max_length=1_048_576)]
    is_encrypted: bool = False
    message_type: Literal["text", "image", "video", "audio", "file"] = "text"
    # `$` alone would let a final newline pass.
    client_message_id: (
        Annotated[Opaque, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$(?!\n)")] | None
    ) = None
    metadata: Metadata | None = None
    attachments: Annotated[list[Uuid], Meta(max_length=100)] | None = None
    reply_to_message_id: Uuid | None = None
    thread_root_id: Uuid | None = None
    mentions: Annotated[list[Uuid], Meta(max_length=50)] | None = None
    mention_all: bool = False
    mention_here: bool = False
    silent: bool = False
    e2ee: dict[str, object] | None = None


class _Ready(NamedTuple):
    """A message that may be appended under these facts, unless there is a fault."""

    outgoing: Outgoing
    facts: Facts
    fault: ApiError | None


class SendService:
    """Puts what users say into conversations."""

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        conversations: Conversations,
        files: Files,
        poster: Poster,
        limits: MessageLimits,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._conversations = conversations
        self._files = files
        self._poster = poster
        self._limits = limits

    async def send(self, caller: Principal, request: SendRequest) -> Sent:
        """Append one message; returns once it is committed durably.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN`, `E2EE_REQUIRED`, `FILE_NOT_READY`,
                `TIMELINE_UNAVAILABLE`.
        """
        ready = await self._ready(caller.user_id, request)
        return await self._poster.post(ready.outgoing, ready.facts, ready.fault)

    async def check(self, user_id: str, request: SendRequest) -> None:
        """Raises what `send` would raise now, and sends nothing."""
        ready = await self._ready(user_id, request)
        if ready.fault is not None:
            raise ready.fault
        self._poster.check(ready.outgoing, ready.facts)

    async def _ready(self, sender_id: str, request: SendRequest) -> _Ready:
        named = request.attachments or []
        content = check_content(
            self._limits,
            request.content,
            is_encrypted=request.is_encrypted,
            metadata=request.metadata,
            e2ee=request.e2ee,
            attachments=len(named),
        )
        facts = check_member(await self._conversations.facts(request.conversation_id), sender_id)
        fault: ApiError | None = None
        attachments: tuple[AttachedFile, ...] = ()
        quoted = root = None
        try:
            if request.reply_to_message_id is not None:
                quoted = await self._said_here(facts, sender_id, request.reply_to_message_id)
            if request.thread_root_id is not None:
                root = await self._said_here(facts, sender_id, request.thread_root_id)
                if root.thread_root_id is not None:
                    raise invalid("thread_root_id", "a reply in a thread cannot begin a thread")
            if named:
                attachments = await self._attached(sender_id, named)
        except ApiError as error:
            # A repeat is answered as the first time, whatever became of what it names (G10).
            if request.client_message_id is None and error.code is not ErrorCode.FILE_NOT_READY:
                raise
            fault = error
        outgoing = Outgoing(
            conversation_id=request.conversation_id,
            sender_id=sender_id,
            client_message_id=request.client_message_id,
            content=content.text,
            is_encrypted=request.is_encrypted,
            message_type=request.message_type,
            metadata=content.metadata,
            e2ee=content.e2ee,
            attachments=attachments,
            quote=_quote(quoted) if quoted is not None else None,
            thread_root_id=root.message_id if root is not None else None,
            root_author_id=root.sender_id if root is not None else None,
            mentions=tuple(request.mentions or ()),
            mention_all=request.mention_all,
            mention_here=request.mention_here,
            silent=request.silent,
        )
        return _Ready(outgoing, facts, fault)

    async def _said_here(self, facts: Facts, user_id: str, message_id: str) -> StoredMessage:
        """A message of the conversation that the member can see."""
        message = await self._timeline.message(message_id)
        if (
            message is None
            or message.conversation_id != facts.conversation_id
            or message.deleted_at is not None
            or message.seq < facts.members[user_id].visible_from
        ):
            raise ApiError(ErrorCode.NOT_FOUND, "There is no such message in this conversation.")
        return message

    async def _attached(self, user_id: str, file_ids: Sequence[str]) -> tuple[AttachedFile, ...]:
        wanted = list(dict.fromkeys(file_ids))
        found = await self._database.lookup(lambda conn: self._files.attachable_in(conn, user_id, wanted))
        return tuple(record.attached for record in found)


def _quote(message: StoredMessage) -> Quote:
    said = "" if message.is_encrypted else message.content[:PREVIEW]
    return Quote(message.message_id, message.sender_id, said, message.seq)
