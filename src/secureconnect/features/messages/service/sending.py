"""Sending: content → permission → one append. The hottest path of the product."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from secureconnect.edge.validation import Opaque, Uuid
from secureconnect.features.conversations.api import Conversations, Facts
from secureconnect.features.messages.rules import (
    METADATA_KEYS,
    MessageLimits,
    check_content,
    check_member,
    refusal,
)
from secureconnect.features.messages.service.rendering import SenderNames, render_message
from secureconnect.infra.timeline.base import Appended, GuardChanged, NewEvent, NewMessage, Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_time_id
from secureconnect.kit.objects import Message
from secureconnect.kit.principal import Principal

__all__ = ["SendRequest", "SendService", "Sent"]

# Each attempt after the first reads the facts again: more are needed only while others change them.
_ATTEMPTS = 5

# No log is ever at this guard: such an append finds an earlier result or nothing.
_NO_GUARD = -1

_Key = Annotated[str, Meta(min_length=1, max_length=100)]
_Value = Annotated[str, Meta(max_length=1000)] | int | float | bool


class SendRequest(Struct):
    """The fields of a send, over HTTP and on sockets alike.

    `content` is text of at most `messaging.max_content_chars` characters, with `is_encrypted` opaque and at
    most `messaging.max_encrypted_bytes` long. Values of `metadata` are stored as text.
    """

    conversation_id: Uuid
    content: Annotated[Opaque, Meta(min_length=1, max_length=1_048_576)]
    is_encrypted: bool = False
    message_type: Literal["text", "image", "video", "audio", "file"] = "text"
    # `$` alone would let a final newline pass.
    client_message_id: (
        Annotated[Opaque, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$(?!\n)")] | None
    ) = None
    metadata: Annotated[dict[_Key, _Value], Meta(max_length=METADATA_KEYS)] | None = None
    e2ee: dict[str, object] | None = None


class Sent(Struct, frozen=True):
    """What a send led to; `duplicate` when an earlier send with the same client_message_id did."""

    message: Message
    duplicate: bool


class SendService:
    """Puts messages into conversations."""

    def __init__(
        self,
        timeline: Timeline,
        conversations: Conversations,
        names: SenderNames,
        clock: Clock,
        limits: MessageLimits,
    ) -> None:
        self._timeline = timeline
        self._conversations = conversations
        self._names = names
        self._clock = clock
        self._limits = limits

    async def send(self, caller: Principal, request: SendRequest) -> Sent:
        """Append one message; returns once it is committed durably.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN`, `E2EE_REQUIRED`, `TIMELINE_UNAVAILABLE`.
        """
        sender_id = caller.user_id
        content = check_content(
            self._limits,
            request.content,
            is_encrypted=request.is_encrypted,
            metadata=request.metadata,
            e2ee=request.e2ee,
        )
        facts = check_member(await self._conversations.facts(request.conversation_id), sender_id)
        await self._names.remember(sender_id)
        event = NewEvent(
            request.conversation_id,
            new_time_id(),
            "message_created",
            sender_id,
            self._clock.now(),
            b"",
            NewMessage(
                sender_id,
                request.client_message_id,
                content.text,
                request.is_encrypted,
                request.message_type,
                content.metadata,
                content.e2ee,
            ),
        )
        appended = await self._append(event, facts, sender_id)
        message = appended.event.message
        assert message is not None
        return Sent(render_message(message, self._names.recent, sender_id), appended.duplicate)

    async def _append(self, event: NewEvent, facts: Facts, sender_id: str) -> Appended:
        """Append under the facts that allow it; when they changed, decide again.

        What was accepted once stays accepted: a member's repeat is answered with the first result although it
        would be refused now (docs/reference/realtime.md §7, G10).
        """
        message = event.message
        assert message is not None
        for _ in range(_ATTEMPTS):
            refused = refusal(facts, sender_id, is_encrypted=message.is_encrypted)
            if refused is not None and message.client_message_id is None:
                raise refused
            also = self._conversations.sent(event.conversation_id, sender_id, event.sent_at, wake=facts.wake)
            guard = facts.guard if refused is None else _NO_GUARD
            try:
                return await self._timeline.append(event, guard=guard, also=also)
            except GuardChanged:
                if refused is not None:
                    raise refused from None
            facts = check_member(await self._conversations.stale_facts(facts), sender_id)
        raise ApiError(
            ErrorCode.TIMELINE_UNAVAILABLE,
            "The conversation keeps changing; nothing was stored.",
            retry_after=1,
        )
