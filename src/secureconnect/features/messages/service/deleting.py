"""Deleting: for everyone, with everything that belongs to the message; or only for oneself."""

from typing import NamedTuple

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.conversations.api import Facts
from secureconnect.features.files.api import Files
from secureconnect.features.messages import store
from secureconnect.features.messages.api import DeleteReason, PollCards
from secureconnect.features.messages.rules import MessageLimits, delete_reason
from secureconnect.features.messages.service.changing import Changes
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import StoredMessage, Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.events import MessageDeleted, encode_data
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["DeleteService", "Deleted", "Eraser"]


class Deleted(NamedTuple):
    """When the message was deleted (ms); `seq` is that of the event of this call, None without one."""

    message_id: str
    deleted_at: int
    seq: int | None


class Eraser:
    """Erases messages, whoever decided it."""

    def __init__(self, timeline: Timeline, changes: Changes, files: Files, polls: PollCards) -> None:
        self._timeline = timeline
        self._changes = changes
        self._files = files
        self._polls = polls

    def delete_in(
        self, tx: WriteTx, message: StoredMessage, *, at: int, by: str | None, reason: DeleteReason
    ) -> int | None:
        """See `Messages.delete_in`."""
        if message.deleted_at is not None:
            return None
        if message.attachments:
            self._files.revoke_in(tx, message.message_id)
        if message.message_type == "poll":
            self._polls.delete_in(tx, message.message_id)
        store.unpin(tx, message.conversation_id, message.message_id)
        store.unmention(tx, message.conversation_id, message.seq)
        self._timeline.delete_in(tx, message, at=at, by=by, reason=reason)
        data = MessageDeleted(
            message_id=message.message_id, target_seq=message.seq, deleted_by=by, reason=reason
        )
        # With its state, so that whoever follows the log learns what to forget.
        return self._changes.tell_in(tx, message, data.kind, by, at, encode_data(data), with_state=True)


class DeleteService:
    """Lets members take messages back."""

    def __init__(
        self, changes: Changes, eraser: Eraser, audit: Audit, clock: Clock, limits: MessageLimits
    ) -> None:
        self._changes = changes
        self._eraser = eraser
        self._audit = audit
        self._clock = clock
        self._limits = limits

    async def for_everyone(
        self, caller: Principal, message_id: str, context: RequestContext | None
    ) -> Deleted:
        """Erase a message; one that is deleted already stays as it is, without an event.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `EDIT_WINDOW_EXPIRED`, `TIMELINE_UNAVAILABLE`.
        """
        user_id, now = caller.user_id, self._clock.now()

        def change(tx: WriteTx, facts: Facts, message: StoredMessage) -> Deleted:
            reason = delete_reason(facts, message, user_id, now, self._limits)
            if message.deleted_at is not None:
                return Deleted(message_id, message.deleted_at, None)
            seq = self._eraser.delete_in(tx, message, at=now, by=user_id, reason=reason)
            if reason == "moderator":
                self._audit.record_in(tx, _moderated(caller, message, context))
            return Deleted(message_id, now, seq)

        return await self._changes.act(user_id, message_id, change, hidden_too=True)

    async def for_me(self, caller: Principal, message_id: str) -> Deleted:
        """Hide a message from the caller alone, without an event; repeats change nothing.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `TIMELINE_UNAVAILABLE`.
        """
        user_id, now = caller.user_id, self._clock.now()

        def change(tx: WriteTx, _: Facts, message: StoredMessage) -> Deleted:
            hidden_at = store.hide(tx, user_id, message.conversation_id, message_id, now)
            return Deleted(message_id, hidden_at, None)

        return await self._changes.act(user_id, message_id, change, hidden_too=True)


def _moderated(caller: Principal, message: StoredMessage, context: RequestContext | None) -> AuditEntry:
    return AuditEntry(
        event="message_deleted_by_moderator",
        actor_id=caller.user_id,
        actor_type=caller.kind,
        session_id=caller.session_id,
        target_type="message",
        target_id=message.message_id,
        context=context,
        details={"conversation_id": message.conversation_id},
    )
