"""What the audit trail keeps of backups (docs/reference/audit.md)."""

from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, insert

from secureconnect.features.audit.store import audit_logs
from secureconnect.kit.ids import new_time_id

__all__ = ["record"]


def record(conn: Connection, event: str, now: int, details: Mapping[str, str]) -> None:
    """Write what the operator did, in the transaction of `conn`."""
    conn.execute(
        insert(audit_logs).values(
            audit_id=new_time_id(),
            timestamp=now,
            event=event,
            result="success",
            actor_type="system",
            target_type="server",
            details=msgspec.json.encode(details).decode(),
        )
    )
