"""What follows when a second factor comes or goes."""

from typing import Final

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.auth.api import Alerts
from secureconnect.features.factors import store
from secureconnect.features.factors.service.steps import Steps, methods_in
from secureconnect.features.mail.api import FactorChange
from secureconnect.features.sessions.api import Sessions
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Changes"]

#: Audit event, and what it says of the factor.
_EVENTS: Final[dict[FactorChange, tuple[str, str]]] = {
    "totp_enabled": ("mfa_enabled", "totp"),
    "totp_disabled": ("mfa_disabled", "totp"),
    "recovery_codes_renewed": ("mfa_enabled", "recovery_codes"),
    "passkey_added": ("passkey_added", "passkey"),
    "passkey_removed": ("passkey_removed", "passkey"),
}


class Changes:
    """Records a change, tells the owner, and ends other sessions when nothing protects any more."""

    def __init__(self, sessions: Sessions, audit: Audit, alerts: Alerts, steps: Steps, clock: Clock) -> None:
        self._sessions = sessions
        self._audit = audit
        self._alerts = alerts
        self._steps = steps
        self._clock = clock

    def made_in(
        self, tx: WriteTx, caller: Principal, context: RequestContext, change: FactorChange, **details: str
    ) -> None:
        """The caller made this change to its own account."""
        event, factor = _EVENTS[change]
        self._audit.record_in(
            tx,
            AuditEntry(
                event=event,
                actor_id=caller.user_id,
                session_id=caller.session_id,
                target_type="user",
                target_id=caller.user_id,
                context=context,
                details={"factor": factor, **details},
            ),
        )
        self._alerts.factor_changed_in(tx, caller.user_id, change)

    def removed_in(
        self, tx: WriteTx, caller: Principal, context: RequestContext, change: FactorChange, **details: str
    ) -> None:
        """The same for a factor that is gone. With the last one recovery codes go, and all other sessions."""
        self.made_in(tx, caller, context, change, **details)
        if methods_in(tx.conn, caller.user_id):
            return
        self.cleared_in(tx, caller.user_id)
        now = self._clock.now()
        self._sessions.revoke_all_in(tx, caller.user_id, "revoked", but=caller.session_id, now=now)

    def reset_in(self, tx: WriteTx, user_id: str) -> None:
        """An administrator took everything away; every session ends."""
        self.cleared_in(tx, user_id)
        self._sessions.revoke_all_in(tx, user_id, "admin", now=self._clock.now())
        self._alerts.factor_changed_in(tx, user_id, "reset_by_admin")

    def cleared_in(self, tx: WriteTx, user_id: str) -> None:
        """Nothing of a second factor is left, nor a login that waits for one."""
        store.forget(tx, user_id)
        self._steps.void_in(tx, user_id)
