"""Every call of an administrator is written down, also one that was refused."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal, NamedTuple

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.errors import ApiError
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Admin", "Trail"]

_SERVER_FAULT: Final = 500


class Admin(NamedTuple):
    """Who administrates, and from where."""

    principal: Principal
    context: RequestContext


class Trail:
    """Records of administration (docs/reference/audit.md)."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def viewed(self, admin: Admin, what: str, user_id: str | None = None) -> None:
        """A list or a figure was looked at."""
        self._audit.record(_entry("admin_viewed", admin, user_id, {"what": what}))

    def did_in(
        self,
        tx: WriteTx,
        event: str,
        admin: Admin,
        user_id: str | None,
        details: Mapping[str, str],
    ) -> None:
        """Something was done to a user, or to the server itself."""
        self._audit.record_in(tx, _entry(event, admin, user_id, details))

    @contextmanager
    def attempt(self, event: str, admin: Admin, user_id: str | None = None) -> Iterator[None]:
        """Around something that may be refused; what the server could not do for its own faults is logged
        elsewhere."""
        try:
            yield
        except ApiError as error:
            if error.code.status < _SERVER_FAULT:
                details = {"code": error.code.name}
                self._audit.record(_entry(event, admin, user_id, details, result="failure"))
            raise


def _entry(
    event: str,
    admin: Admin,
    user_id: str | None,
    details: Mapping[str, str],
    *,
    result: Literal["success", "failure"] = "success",
) -> AuditEntry:
    return AuditEntry(
        event=event,
        result=result,
        actor_id=admin.principal.user_id,
        actor_type="admin",
        session_id=admin.principal.session_id,
        target_type="user" if user_id is not None else "server",
        target_id=user_id,
        context=admin.context,
        details=details,
    )
