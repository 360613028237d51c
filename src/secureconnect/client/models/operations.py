"""What server administrators see."""

import msgspec

from secureconnect.client.models.base import Model, Moment, Page

__all__ = ["AuditPage", "AuditRecord", "KeyRotation", "Ticket"]


class AuditRecord(Model, frozen=True, kw_only=True):
    """Who did what; `result` is success, failure or denied."""

    audit_id: str
    timestamp: Moment
    event: str
    result: str
    reason: str | None = None
    actor_id: str | None = None
    actor_type: str
    session_id: str | None = None
    target_type: str | None = None
    target_id: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    details: dict[str, str] = msgspec.field(default_factory=dict)


class AuditPage(Page[AuditRecord], frozen=True, kw_only=True):
    """A page of the audit log, newest first, with the number of all matching records."""

    total_count: int


class KeyRotation(Model, frozen=True, kw_only=True):
    """The new signing key, and until when the previous one still verifies."""

    kid: str
    previous_valid_until: Moment


class Ticket(Model, frozen=True, kw_only=True):
    """A single-use pass for one socket, valid for `expires_in` seconds."""

    ticket: str
    expires_in: int

    def __repr__(self) -> str:
        return f"Ticket(expires_in={self.expires_in})"
