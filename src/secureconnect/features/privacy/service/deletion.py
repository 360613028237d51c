"""Deleting an account: at once it is closed and out of sight, after a delay it is erased."""

from typing import Final

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.bots.api import Bots
from secureconnect.features.mail.api import AccountDeleted, Mailer
from secureconnect.features.privacy import rules
from secureconnect.features.privacy.service.erasing import erase_job
from secureconnect.features.sessions.api import Sessions
from secureconnect.features.users.api import Accounts
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.outbox.base import Outbox
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Deletion"]

_DAY_MS: Final = 24 * 3600 * 1000
_CLOSE_REVOKED: Final = 4003


class Deletion:
    """Implements `privacy.api.Deletions`."""

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        sessions: Sessions,
        bots: Bots,
        mailer: Mailer,
        audit: Audit,
        outbox: Outbox,
        clock: Clock,
        *,
        erase_delay_days: int,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._sessions = sessions
        self._bots = bots
        self._mailer = mailer
        self._audit = audit
        self._outbox = outbox
        self._clock = clock
        self._delay_ms = erase_delay_days * _DAY_MS

    async def delete_own(self, caller: Principal, context: RequestContext) -> int:
        """Delete the caller's account; returns when it will be erased (ms).

        Raises:
            ApiError: `CONFLICT` for the last server admin.
        """

        def work(tx: WriteTx) -> int:
            erase_at = self.delete_in(tx, caller.user_id, immediate=False)
            self._audit.record_in(
                tx,
                AuditEntry(
                    event="account_deleted",
                    actor_id=caller.user_id,
                    session_id=caller.session_id,
                    target_type="user",
                    target_id=caller.user_id,
                    context=context,
                    details={"erase_at": rfc3339(erase_at)},
                ),
            )
            return erase_at

        return await self._database.write(work)

    def delete_in(self, tx: WriteTx, user_id: str, *, immediate: bool) -> int:
        now = self._clock.now()
        account = self._accounts.find_in(tx.conn, user_id, now)
        if account is None:
            raise rules.no_account()
        record = account.record
        erase_at = now if immediate else now + self._delay_ms
        if account.erase_at is not None and account.erase_at <= erase_at:
            return account.erase_at
        if (
            record.active
            and record.role == "admin"
            and self._accounts.is_last_admin_in(tx.conn, user_id, now)
        ):
            raise rules.last_admin()
        self._accounts.delete_in(tx, user_id, erase_at, now)
        if erase_at <= now:
            self._outbox.enqueue_in(tx, erase_job(user_id))
        if record.active:
            self._sessions.revoke_all_in(tx, user_id, "deleted", now=now)
            self._bots.shut_out_in(tx, user_id, _CLOSE_REVOKED)
            if not record.is_bot:
                letter = AccountDeleted(username=record.username, at=now, erase_at=erase_at)
                self._mailer.send_in(tx, record.email, letter)
        return erase_at

    def restore_in(self, tx: WriteTx, user_id: str) -> None:
        now = self._clock.now()
        account = self._accounts.find_in(tx.conn, user_id, now)
        if account is None or account.erase_at is None or account.erase_at <= now:
            raise rules.not_restorable()
        self._accounts.restore_in(tx, user_id, now)
