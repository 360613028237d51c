"""What comes with a change between two users: a record, and a hint that their presence looks different."""

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.hints import CONTROL, PresenceChanged
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["PairLog"]


class PairLog:
    """Writes the records and hints of both kinds of change, of friendships and of blocks."""

    def __init__(self, audit: Audit, bus: Bus) -> None:
        self._audit = audit
        self._bus = bus

    def record_in(
        self, tx: WriteTx, event: str, caller: Principal, context: RequestContext, other_id: str
    ) -> None:
        """Audit what the caller did to the other one, in the transaction that does it."""
        entry = AuditEntry(
            event=event,
            actor_id=caller.user_id,
            actor_type=caller.kind,
            session_id=caller.session_id,
            target_type="user",
            target_id=other_id,
            context=context,
        )
        self._audit.record_in(tx, entry)

    def presence_in(self, tx: WriteTx, a: str, b: str) -> None:
        """Once committed, tell that the two may see each other's presence differently now."""

        def tell() -> None:
            for user_id in (a, b):
                self._bus.publish(CONTROL, PresenceChanged(user_id))

        tx.after_commit(tell)
