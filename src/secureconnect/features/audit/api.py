"""How other features leave a record."""

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.principal import RequestContext

__all__ = ["Audit", "AuditEntry", "Receipts", "Result"]

Result = Literal["success", "failure", "denied"]


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One record (docs/reference/audit.md). `details` never hold secrets or content.

    `actor_type` is user, bot, admin, system or anonymous; `target_type` is user, session, conversation, …
    """

    event: str
    result: Result = "success"
    reason: str | None = None
    actor_id: str | None = None
    actor_type: str = "user"
    session_id: str | None = None
    target_type: str | None = None
    target_id: str | None = None
    context: RequestContext | None = None
    details: Mapping[str, str] = {}


class Audit(Protocol):
    """Append-only records."""

    def record_in(self, tx: WriteTx, entry: AuditEntry) -> None:
        """Write the record in the transaction of the action that it is about."""

    def record(self, entry: AuditEntry) -> None:
        """Queue a record of a denial or failure. Never blocks or raises; a lost one is counted."""


class Receipts(Protocol):
    """What was recorded, for whoever has to show it again."""

    def details_in(self, conn: Connection, event: str, target_id: str) -> dict[str, str] | None:
        """The details of the newest record of an event with this target; reads all records of the event."""
