"""How a change is written down: events in the timeline, records in the audit log."""

from collections.abc import Mapping

from msgspec import Struct

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.conversations import store
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import NewEvent, Timeline
from secureconnect.kit.events import EventData, encode_data
from secureconnect.kit.ids import new_time_id
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Caller", "Journal"]


class Caller(Struct, frozen=True):
    """Who acts, and from where."""

    principal: Principal
    context: RequestContext

    @property
    def user_id(self) -> str:
        """The acting user."""
        return self.principal.user_id


class Journal:
    """Writes in the transaction of the change itself (invariant I4)."""

    def __init__(self, timeline: Timeline, audit: Audit) -> None:
        self._timeline = timeline
        self._audit = audit

    def open_in(self, tx: WriteTx, conversation_id: str) -> None:
        """Begin the log of a new conversation."""
        self._timeline.open_in(tx, conversation_id)

    def append_in(self, tx: WriteTx, conversation_id: str, actor_id: str, data: EventData, now: int) -> int:
        """Append an event, which is now the conversation's last one; returns its seq."""
        event = NewEvent(conversation_id, new_time_id(), data.kind, actor_id, now, encode_data(data))
        seq = self._timeline.append_in(tx, event)
        store.touch(tx, conversation_id, now)
        return seq

    def record_in(
        self,
        tx: WriteTx,
        event: str,
        caller: Caller,
        conversation_id: str,
        details: Mapping[str, str] | None = None,
    ) -> None:
        """Audit what the caller did to a conversation."""
        entry = AuditEntry(
            event=event,
            actor_id=caller.user_id,
            actor_type=caller.principal.kind,
            session_id=caller.principal.session_id,
            target_type="conversation",
            target_id=conversation_id,
            context=caller.context,
            details=details or {},
        )
        self._audit.record_in(tx, entry)
