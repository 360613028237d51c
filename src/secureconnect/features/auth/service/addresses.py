"""Whose an e-mail address is: proving it, and replacing it."""

from typing import Final

import msgspec
from sqlalchemy import Connection

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.auth.service.alerts import AlertService
from secureconnect.features.auth.service.login import Login
from secureconnect.features.mail.api import EmailChange, EmailVerify, Mailer
from secureconnect.features.sessions.api import OneTimeTokens, Purpose, Sessions
from secureconnect.features.users.api import UserRecord, Users
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, Detail, ErrorCode
from secureconnect.kit.principal import Principal, RequestContext
from secureconnect.kit.text import fold

__all__ = ["VERIFY_TTL", "Addresses", "verification_bar"]

#: Seconds that a link works which proves an address.
VERIFY_TTL: Final = 86_400


_WISHES: Final[tuple[Purpose, ...]] = ("password_reset", "email_change")


class _About(msgspec.Struct):
    """What a token carries: the address that it was mailed to."""

    email: str


def verification_bar(conn: Connection, record: UserRecord) -> None:
    """Keeps out who did not prove its address yet; for `auth.email_verification=required`."""
    del conn
    if record.email_verified_at is None:
        raise ApiError(ErrorCode.EMAIL_NOT_VERIFIED, "The e-mail address has to be verified first.")


class Addresses:
    """Verification and change of e-mail addresses (docs/reference/rules.md §1).

    Args:
        change_ttl: seconds that the token of a change works.
    """

    def __init__(
        self,
        database: Database,
        users: Users,
        sessions: Sessions,
        tokens: OneTimeTokens,
        audit: Audit,
        login: Login,
        mailer: Mailer,
        alerts: AlertService,
        clock: Clock,
        *,
        change_ttl: int,
    ) -> None:
        self._database = database
        self._users = users
        self._sessions = sessions
        self._tokens = tokens
        self._audit = audit
        self._login = login
        self._mailer = mailer
        self._alerts = alerts
        self._clock = clock
        self._change_ttl = change_ttl
        mailer.prepares("email_verify", self._write_in)

    def ask_in(self, tx: WriteTx, user_id: str, email: str) -> None:
        """Mail a token that proves this address of the user. It voids older ones."""
        self._tokens.void_in(tx, "email_verify", user_id)
        payload = msgspec.json.encode(_About(email)).decode()
        token = self._tokens.issue_in(tx, "email_verify", payload, user_id=user_id, seconds=VERIFY_TTL)
        self._mailer.send_in(tx, email, EmailVerify(token, VERIFY_TTL), good_for=VERIFY_TTL)

    def forget_wishes_in(self, tx: WriteTx, user_id: str) -> None:
        """Tokens that were mailed to set a password or to take another address work no more."""
        for purpose in _WISHES:
            self._tokens.void_in(tx, purpose, user_id)

    async def ask_again(self, email: str, context: RequestContext) -> None:
        """Mail such a token once more, if there is an account that needs it. Costs the same if not."""
        await self._database.write(
            lambda tx: self._mailer.prepare_in(tx, "email_verify", email, context), brief=True
        )

    async def verify(self, token: str, context: RequestContext) -> None:
        """The holder of the token reads the mail of the account.

        Raises:
            ApiError: `INVALID_TOKEN`, also when the account has another address by now.
        """

        def work(tx: WriteTx) -> None:
            taken = self._tokens.take_in(tx, "email_verify", token)
            if taken is None or taken.user_id is None:
                raise _invalid_token()
            record = self._users.many_in(tx.conn, [taken.user_id]).get(taken.user_id)
            if record is None or not record.active or fold(record.email) != fold(_email(taken.payload)):
                raise _invalid_token()
            self._users.email_verified_in(tx, record.user_id, self._clock.now())
            self._record_in(tx, "email_verified", record.user_id, None, context)

        await self._database.write(work)

    async def change(self, caller: Principal, context: RequestContext, new_email: str, password: str) -> None:
        """Mail a token to the new address and a notice to the present one. A new wish voids older ones.

        Raises:
            ApiError: `INVALID_CREDENTIALS`, `ACCOUNT_LOCKED`, or `CONFLICT` naming `new_email`.
        """
        stored = await self._login.confirm(caller, context, password)

        def work(tx: WriteTx) -> None:
            if self._users.password_hash_in(tx.conn, caller.user_id) != stored:
                raise ApiError(ErrorCode.INVALID_CREDENTIALS, "The password is wrong.")
            if self._users.by_email_in(tx.conn, new_email) is not None:
                raise ApiError(
                    ErrorCode.CONFLICT, "Already in use.", details=[Detail("new_email", "is taken")]
                )
            self._tokens.void_in(tx, "email_change", caller.user_id)
            payload = msgspec.json.encode(_About(new_email)).decode()
            token = self._tokens.issue_in(
                tx, "email_change", payload, user_id=caller.user_id, seconds=self._change_ttl
            )
            letter = EmailChange(token, self._change_ttl)
            self._mailer.send_in(tx, new_email, letter, good_for=self._change_ttl)
            record = self._users.many_in(tx.conn, [caller.user_id])[caller.user_id]
            self._alerts.email_change_requested_in(tx, record, context)
            self._record_in(tx, "email_change_requested", caller.user_id, caller.session_id, context)

        await self._database.write(work)

    async def confirm_change(self, caller: Principal, context: RequestContext, token: str) -> UserRecord:
        """Take the new address; other sessions end.

        Raises:
            ApiError: `INVALID_TOKEN` also for the token of somebody else, which stays good for its owner;
                `CONFLICT` when the address was taken meanwhile.
        """

        def work(tx: WriteTx) -> UserRecord:
            user_id, now = caller.user_id, self._clock.now()
            found = self._tokens.find_in(tx.conn, "email_change", token)
            if found is None or found.user_id != user_id:
                raise _invalid_token()
            self._tokens.take_in(tx, "email_change", token)
            self._users.set_email_in(tx, user_id, _email(found.payload), now)
            # What went to the old address works no more.
            self.forget_wishes_in(tx, user_id)
            self._tokens.void_in(tx, "email_verify", user_id)
            self._sessions.revoke_all_in(tx, user_id, "revoked", but=caller.session_id, now=now)
            self._record_in(tx, "email_changed", user_id, caller.session_id, context)
            record = self._users.many_in(tx.conn, [user_id])[user_id]
            self._alerts.email_changed_in(tx, record, context)
            return record

        return await self._database.write(work)

    def _write_in(self, tx: WriteTx, email: str, _: RequestContext) -> None:
        """The outbox's turn: write to whoever has this address and did not prove it yet."""
        record = self._users.by_email_in(tx.conn, email)
        if record is not None and record.active and not record.is_bot and record.email_verified_at is None:
            self.ask_in(tx, record.user_id, record.email)

    def _record_in(
        self, tx: WriteTx, event: str, user_id: str, session_id: str | None, context: RequestContext
    ) -> None:
        self._audit.record_in(
            tx,
            AuditEntry(
                event=event,
                actor_id=user_id,
                session_id=session_id,
                target_type="user",
                target_id=user_id,
                context=context,
            ),
        )


def _email(payload: str) -> str:
    return msgspec.json.decode(payload, type=_About).email


def _invalid_token() -> ApiError:
    return ApiError(ErrorCode.INVALID_TOKEN, "The token is not valid.")
