"""The one way of a message into the log: permission → one append. The hottest path of the product."""

from collections.abc import Collection

import msgspec
from msgspec import Struct
from sqlalchemy.exc import IntegrityError

from secureconnect.features.conversations.api import Conversations, Facts
from secureconnect.features.files.api import Files
from secureconnect.features.messages import store
from secureconnect.features.messages.api import Online, Outgoing, refusal
from secureconnect.features.messages.rules import check_member
from secureconnect.features.messages.service.rendering import SenderNames, render_message
from secureconnect.infra.timeline.base import (
    Appended,
    GuardChanged,
    NewEvent,
    NewMessage,
    Statement,
    Timeline,
)
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_time_id
from secureconnect.kit.objects import Message

__all__ = ["Poster", "Sent"]

# Each attempt after the first reads the facts again: more are needed only while others change them.
_ATTEMPTS = 5

# No log is ever at this guard: such an append finds an earlier result or nothing.
_NO_GUARD = -1


class Sent(Struct, frozen=True):
    """What a send led to; `duplicate` when an earlier send with the same client_message_id did."""

    message: Message
    duplicate: bool


class Poster:
    """Appends messages under the facts that allow them."""

    def __init__(
        self,
        timeline: Timeline,
        conversations: Conversations,
        files: Files,
        online: Online,
        names: SenderNames,
        clock: Clock,
    ) -> None:
        self._timeline = timeline
        self._conversations = conversations
        self._files = files
        self._online = online
        self._names = names
        self._clock = clock

    async def post(self, outgoing: Outgoing, facts: Facts, fault: ApiError | None = None) -> Sent:
        """Append one message; returns once it is committed durably.

        What was accepted once stays accepted: a member's repeat is answered with the first result although it
        would be refused now (docs/reference/realtime.md §7, G10). `fault` is a reason to refuse that the
        caller found already; it counts after those that are found here.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `E2EE_REQUIRED`, `TIMELINE_UNAVAILABLE`; `fault`.
        """
        sender_id = outgoing.sender_id
        if sender_id is not None:
            await self._names.remember(sender_id)
        message_id, now = new_time_id(), self._clock.now()
        here = await self._here(outgoing, facts)
        for _ in range(_ATTEMPTS):
            refused = _refusal(outgoing, facts) or fault
            if refused is not None and outgoing.client_message_id is None:
                raise refused
            event = _event(message_id, now, outgoing, facts)
            try:
                appended = await self._timeline.append(
                    event,
                    guard=facts.guard if refused is None else _NO_GUARD,
                    also=self._also(event, outgoing, facts, here) if refused is None else (),
                )
            except GuardChanged:
                if refused is not None:
                    raise refused from None
            except IntegrityError:
                # A file was deleted since it was checked, or got its thumbnail.
                try:
                    outgoing = await self._looked_again(outgoing)
                except ApiError as error:
                    fault = error
                continue
            else:
                return self._sent(appended, sender_id)
            facts = await self._newer(facts, sender_id)
        raise ApiError(
            ErrorCode.TIMELINE_UNAVAILABLE,
            "The conversation keeps changing; nothing was stored.",
            retry_after=1,
        )

    def check(self, outgoing: Outgoing, facts: Facts) -> None:
        """Raises what `post` would raise now, and appends nothing."""
        refused = _refusal(outgoing, facts)
        if refused is not None:
            raise refused

    def _sent(self, appended: Appended, sender_id: str | None) -> Sent:
        message = appended.event.message
        assert message is not None
        return Sent(render_message(message, self._names.recent, sender_id), appended.duplicate)

    async def _looked_again(self, outgoing: Outgoing) -> Outgoing:
        attached = await self._files.attached_now([file.file_id for file in outgoing.attachments])
        return msgspec.structs.replace(outgoing, attachments=tuple(attached))

    async def _newer(self, facts: Facts, sender_id: str | None) -> Facts:
        newer = await self._conversations.stale_facts(facts)
        if sender_id is not None:
            return check_member(newer, sender_id)
        if newer is None:
            raise ApiError(ErrorCode.NOT_FOUND, "There is no such conversation.")
        return newer

    async def _here(self, outgoing: Outgoing, facts: Facts) -> Collection[str]:
        return await self._online.online_among(facts.members) if outgoing.mention_here else ()

    def _also(
        self, event: NewEvent, outgoing: Outgoing, facts: Facts, here: Collection[str]
    ) -> list[Statement]:
        """What the append brings with it."""
        message, conversation_id, sender_id = event.message, event.conversation_id, outgoing.sender_id
        assert message is not None
        also = [*self._conversations.sent(conversation_id, sender_id, event.sent_at, wake=facts.wake)]
        called = {*message.mentions, *(user_id for user_id in here if user_id in facts.members)}
        if outgoing.mention_all:
            called = {store.EVERYBODY}
        if called - {sender_id}:
            also += store.mention(conversation_id, sender_id, sorted(called - {sender_id}))
        if message.attachments:
            also += self._files.grant_statements(conversation_id, event.event_id, message.attachments)
        if message.thread_root_id is not None:
            followers = {sender_id, outgoing.root_author_id, *message.mentions}
            following = sorted(user_id for user_id in followers if user_id in facts.members and user_id)
            if following:
                also += store.follow(conversation_id, message.thread_root_id, following)
        return also


def _refusal(outgoing: Outgoing, facts: Facts) -> ApiError | None:
    return refusal(
        facts,
        outgoing.sender_id,
        is_encrypted=outgoing.is_encrypted,
        files_encrypted=all(file.is_encrypted for file in outgoing.attachments),
        calls_everybody=outgoing.mention_all or outgoing.mention_here,
    )


def _event(message_id: str, now: int, outgoing: Outgoing, facts: Facts) -> NewEvent:
    ttl = facts.settings.message_ttl_seconds
    mentions = outgoing.mentions
    if mentions:
        mentions = tuple(dict.fromkeys(user_id for user_id in mentions if user_id in facts.members))
    return NewEvent(
        outgoing.conversation_id,
        message_id,
        "message_created",
        outgoing.sender_id,
        now,
        b"",
        NewMessage(
            outgoing.sender_id,
            outgoing.client_message_id,
            outgoing.content,
            outgoing.is_encrypted,
            outgoing.message_type,
            outgoing.metadata,
            outgoing.e2ee,
            outgoing.sender_name,
            outgoing.quote,
            outgoing.thread_root_id,
            mentions,
            outgoing.mention_all,
            outgoing.mention_here,
            outgoing.forwarded,
            outgoing.silent,
            now + ttl * 1000 if ttl else None,
            outgoing.attachments,
        ),
    )
