"""What the owner of an account hears when something happens to it: a mail, and a `security` notification."""

from collections.abc import Mapping

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.auth.service.lockout import Lock
from secureconnect.features.mail.api import (
    AccountLocked,
    EmailChangeNotice,
    FactorChange,
    Letter,
    Mailer,
    NewDevice,
    PasswordChanged,
    SecondFactorChanged,
)
from secureconnect.features.sessions.api import Sessions
from secureconnect.features.users.api import Notices, SecurityEvent, UserRecord, Users
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.principal import RequestContext

__all__ = ["AlertService"]


class AlertService:
    """Implements `auth.api.Alerts`.

    Args:
        notices: where notifications go; None while there are none.
        new_devices: whether logins from somewhere new are told (`auth.notify_new_device`).
    """

    def __init__(
        self,
        users: Users,
        sessions: Sessions,
        audit: Audit,
        mailer: Mailer,
        notices: Notices | None,
        clock: Clock,
        *,
        new_devices: bool,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._audit = audit
        self._mailer = mailer
        self._notices = notices
        self._clock = clock
        self._new_devices = new_devices

    def entering_in(
        self, tx: WriteTx, record: UserRecord, context: RequestContext, device_name: str | None
    ) -> None:
        """A session is about to start; told when neither its address nor its device was seen before."""
        if not self._sessions.unfamiliar_in(tx.conn, record.user_id, context, device_name):
            return
        self._audit.record_in(
            tx,
            AuditEntry(
                event="new_device_login",
                actor_id=record.user_id,
                target_type="user",
                target_id=record.user_id,
                context=context,
            ),
        )
        if self._new_devices:
            letter = NewDevice(record.username, self._clock.now(), context.client_ip, device_name)
            data = {"ip": context.client_ip, "device_name": device_name or ""}
            self._tell_in(tx, record, "new_device", data, letter)

    def locked_in(self, tx: WriteTx, user_id: str, context: RequestContext, lock: Lock) -> None:
        """A lock began. Guesses from many addresses do not make as many mails."""
        record = self._users.many_in(tx.conn, [user_id])[user_id]
        if lock.told or not record.active:
            return
        letter = AccountLocked(record.username, self._clock.now(), lock.seconds, lock.everywhere)
        self._tell_in(tx, record, "account_locked", {"ip": context.client_ip}, letter)

    def password_changed_in(self, tx: WriteTx, record: UserRecord, context: RequestContext) -> None:
        """The password is another one now."""
        letter = PasswordChanged(record.username, self._clock.now(), context.client_ip)
        self._tell_in(tx, record, "password_changed", {"ip": context.client_ip}, letter)

    def email_change_requested_in(self, tx: WriteTx, record: UserRecord, context: RequestContext) -> None:
        """Somebody with the password wants another address; the present one hears of it."""
        letter = EmailChangeNotice(record.username, self._clock.now(), context.client_ip)
        self._tell_in(tx, record, "email_change_requested", {"ip": context.client_ip}, letter)

    def email_changed_in(self, tx: WriteTx, record: UserRecord, context: RequestContext) -> None:
        """The address is another one now. The old one was written to when that was asked for."""
        self._tell_in(tx, record, "email_changed", {"ip": context.client_ip})

    def factor_changed_in(self, tx: WriteTx, user_id: str, change: FactorChange) -> None:
        record = self._users.many_in(tx.conn, [user_id])[user_id]
        letter = SecondFactorChanged(record.username, self._clock.now(), change)
        self._tell_in(tx, record, "second_factor_changed", {"change": change}, letter)

    def _tell_in(
        self,
        tx: WriteTx,
        record: UserRecord,
        event: SecurityEvent,
        data: Mapping[str, str],
        letter: Letter | None = None,
    ) -> None:
        if letter is not None:
            self._mailer.send_in(tx, record.email, letter)
        if self._notices is not None:
            self._notices.security_in(tx, record.user_id, event, data)
