"""Where every login ends, whatever proved it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, Protocol

from sqlalchemy import Connection

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.auth.api import Bar, Entered, LoginMethod
from secureconnect.features.auth.service.alerts import AlertService
from secureconnect.features.auth.service.lockout import Lockout, identifier
from secureconnect.features.sessions.api import Sessions
from secureconnect.features.users.api import UserRecord, Users
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["EntranceService", "LoginMetrics"]

_UNSEEN = {
    ErrorCode.ACCOUNT_LOCKED: "locked",
    ErrorCode.ACCOUNT_BANNED: "banned",
    ErrorCode.EMAIL_NOT_VERIFIED: "unverified",
    ErrorCode.INVALID_TOKEN: "expired",
}


class LoginMetrics(Protocol):
    """Counts logins."""

    def authenticated(self, method: str) -> None:
        """One success."""

    def authentication_failed(self, method: str, reason: str) -> None:
        """One failure."""

    def account_locked(self) -> None:
        """A lock began."""


class EntranceService:
    """Implements `auth.api.Entrance`.

    Args:
        bars: what may keep out somebody in spite of a right proof.
    """

    def __init__(
        self,
        users: Users,
        sessions: Sessions,
        audit: Audit,
        lockout: Lockout,
        alerts: AlertService,
        metrics: LoginMetrics,
        clock: Clock,
        bars: Sequence[Bar] = (),
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._audit = audit
        self._lockout = lockout
        self._alerts = alerts
        self._metrics = metrics
        self._clock = clock
        self._bars = bars

    @contextmanager
    def counted(
        self, method: LoginMethod, context: RequestContext, user_id: str | None = None
    ) -> Iterator[None]:
        try:
            yield
        except ApiError as error:
            reason = _UNSEEN.get(error.code)
            if reason is not None:
                self._metrics.authentication_failed(method, reason)
            if reason in {"banned", "unverified"}:
                # The transaction left nothing behind, so the record is written apart.
                self._audit.record(_entry("login_failed", user_id, context, "failure", method, reason))
            raise

    def unlocked_in(self, conn: Connection, user_id: str | None, context: RequestContext) -> None:
        self._lockout.check_in(conn, identifier(user_id, ""), user_id, context.client_ip)

    def allowed_in(self, conn: Connection, record: UserRecord) -> None:
        """Ask everything that may keep out who proved to be this user.

        Raises:
            ApiError: `ACCOUNT_BANNED`, `EMAIL_NOT_VERIFIED`.
        """
        for bar in self._bars:
            bar(conn, record)

    def admit_in(
        self,
        tx: WriteTx,
        user_id: str,
        context: RequestContext,
        *,
        method: LoginMethod,
        device_name: str | None,
    ) -> Entered | None:
        now = self._clock.now()
        self.unlocked_in(tx.conn, user_id, context)
        record = self._users.many_in(tx.conn, [user_id]).get(user_id)
        if record is None or not record.active:
            return None
        self.allowed_in(tx.conn, record)
        self._lockout.succeeded_in(tx, identifier(user_id, ""), context.client_ip)
        self._alerts.entering_in(tx, record, context, device_name)
        tokens = self._sessions.start_in(tx, user_id, record.role, context, device_name=device_name, now=now)
        self._users.logged_in_in(tx, user_id, now)
        entry = _entry("login_success", user_id, context, "success", method, session_id=tokens.session_id)
        self._audit.record_in(tx, entry)
        tx.after_commit(lambda: self._metrics.authenticated(method))
        return Entered(record, tokens)

    def proved_in(
        self,
        tx: WriteTx,
        caller: Principal,
        context: RequestContext,
        method: LoginMethod,
        *,
        forgives: bool = True,
    ) -> int:
        now = self._clock.now()
        self.unlocked_in(tx.conn, caller.user_id, context)
        if forgives:
            self._lockout.succeeded_in(tx, identifier(caller.user_id, ""), context.client_ip)
        self._sessions.authenticated_in(tx, caller.session_id, now)
        tx.after_commit(lambda: self._metrics.authenticated(method))
        return now

    def failed_in(
        self,
        tx: WriteTx,
        user_id: str | None,
        context: RequestContext,
        *,
        method: LoginMethod,
        typed: str = "",
        event: Literal["login_failed", "mfa_failed"] = "login_failed",
        reason: str | None = None,
        guess: bool = True,
    ) -> None:
        who = identifier(user_id, typed)
        self._lockout.check_in(tx.conn, who, user_id, context.client_ip)
        locks = self._lockout.failed_in(tx, who, context.client_ip) if guess else None
        self._audit.record_in(tx, _entry(event, user_id, context, "failure", method, reason))
        if locks:
            self._audit.record_in(tx, _entry("account_locked", user_id, context, "failure", method))
            if user_id is not None:
                self._alerts.locked_in(tx, user_id, context, locks)

        def count() -> None:
            self._metrics.authentication_failed(method, "invalid" if guess else "reused")
            if locks:
                self._metrics.account_locked()

        tx.after_commit(count)


def _entry(
    event: str,
    user_id: str | None,
    context: RequestContext,
    result: Literal["success", "failure"],
    method: LoginMethod,
    reason: str | None = None,
    *,
    session_id: str | None = None,
) -> AuditEntry:
    return AuditEntry(
        event=event,
        result=result,
        reason=reason,
        actor_id=user_id,
        actor_type="user" if user_id else "anonymous",
        session_id=session_id,
        target_type="user",
        target_id=user_id,
        context=context,
        details={"method": method},
    )
