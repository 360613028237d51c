"""A new password for who has lost the old one and still reads the mail of the account."""

from typing import Final

from sqlalchemy import Connection

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.auth.rules import password_fault
from secureconnect.features.auth.service.alerts import AlertService
from secureconnect.features.auth.service.lockout import Lockout, identifier
from secureconnect.features.mail.api import Mailer, PasswordReset
from secureconnect.features.sessions.api import OneTimeTokens, Purpose, Sessions
from secureconnect.features.users.api import UserRecord, Users
from secureconnect.infra.crypto.hashing import PasswordHasher
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.principal import RequestContext

__all__ = ["Recovery"]


_VOIDED: Final[tuple[Purpose, ...]] = ("password_reset", "email_change", "mfa")


class Recovery:
    """Password reset (docs/reference/rules.md §1).

    Whether an address has an account shows neither in the answer nor in the time of a request: it only asks
    the outbox to look later.

    Args:
        reset_ttl: seconds that a token works.
    """

    def __init__(
        self,
        database: Database,
        users: Users,
        sessions: Sessions,
        tokens: OneTimeTokens,
        audit: Audit,
        hasher: PasswordHasher,
        lockout: Lockout,
        mailer: Mailer,
        alerts: AlertService,
        clock: Clock,
        *,
        reset_ttl: int,
        shortest_password: int,
    ) -> None:
        self._database = database
        self._users = users
        self._sessions = sessions
        self._tokens = tokens
        self._audit = audit
        self._hasher = hasher
        self._lockout = lockout
        self._mailer = mailer
        self._alerts = alerts
        self._clock = clock
        self._ttl = reset_ttl
        self._shortest = shortest_password
        mailer.prepares("password_reset", self._write_in)

    async def request(self, email: str, context: RequestContext) -> None:
        """Mail a token to this address if it has an account."""
        await self._database.write(
            lambda tx: self._mailer.prepare_in(tx, "password_reset", email, context), brief=True
        )

    async def confirm(self, token: str, new_password: str, context: RequestContext) -> None:
        """Set the password; all sessions end, every lock is lifted.

        Raises:
            ApiError: `INVALID_TOKEN`, or `VALIDATION_ERROR` for a weak password, which does not use the token
                up.
        """

        def look(conn: Connection) -> tuple[UserRecord, str | None]:
            record = self._owner_in(conn, token)
            return record, self._users.password_hash_in(conn, record.user_id)

        record, stored = await self._database.lookup(look)
        weak = password_fault(
            new_password, username=record.username, email=record.email, shortest=self._shortest
        )
        if weak is None and stored is not None and await self._hasher.verify(stored, new_password):
            weak = "must differ from the old one"
        if weak is not None:
            raise invalid("new_password", weak)
        password_hash = await self._hasher.hash(new_password)
        await self._database.write(lambda tx: self._reset_in(tx, token, password_hash, context))

    def _reset_in(self, tx: WriteTx, token: str, password_hash: str, context: RequestContext) -> None:
        record, now = self._owner_in(tx.conn, token), self._clock.now()
        user_id = record.user_id
        self._tokens.take_in(tx, "password_reset", token)
        # What somebody else may have set going with the old password ends too.
        for purpose in _VOIDED:
            self._tokens.void_in(tx, purpose, user_id)
        self._users.set_password_in(tx, user_id, password_hash, now)
        self._sessions.revoke_all_in(tx, user_id, "password", now=now)
        self._lockout.lift_in(tx, identifier(user_id, ""))
        self._audit.record_in(tx, _entry("password_reset_completed", user_id, context, actor_id=user_id))
        self._alerts.password_changed_in(tx, record, context)

    def _owner_in(self, conn: Connection, token: str) -> UserRecord:
        """The account that a live token belongs to.

        Raises:
            ApiError: `INVALID_TOKEN`.
        """
        found = self._tokens.find_in(conn, "password_reset", token)
        if found is not None and found.user_id is not None:
            record = self._users.many_in(conn, [found.user_id]).get(found.user_id)
            if record is not None and record.active:
                return record
        raise ApiError(ErrorCode.INVALID_TOKEN, "The token is not valid.")

    def _write_in(self, tx: WriteTx, email: str, context: RequestContext) -> None:
        """The outbox's turn: write to whoever has this address. A new token voids older ones."""
        record = self._users.by_email_in(tx.conn, email)
        if record is None or not record.active or record.is_bot:
            entry = _entry("password_reset_requested", None, context, failure="no such account")
            self._audit.record_in(tx, entry)
            return
        self._tokens.void_in(tx, "password_reset", record.user_id)
        token = self._tokens.issue_in(tx, "password_reset", "{}", user_id=record.user_id, seconds=self._ttl)
        letter = PasswordReset(record.username, token, self._ttl)
        self._mailer.send_in(tx, record.email, letter, good_for=self._ttl)
        self._audit.record_in(tx, _entry("password_reset_requested", record.user_id, context))


def _entry(
    event: str,
    user_id: str | None,
    context: RequestContext,
    *,
    actor_id: str | None = None,
    failure: str | None = None,
) -> AuditEntry:
    """A record about this user. Whoever asks for a reset is anonymous; who brings the token is the user."""
    return AuditEntry(
        event=event,
        result="failure" if failure else "success",
        reason=failure,
        actor_id=actor_id,
        actor_type="user" if actor_id else "anonymous",
        target_type="user",
        target_id=user_id,
        context=context,
    )
