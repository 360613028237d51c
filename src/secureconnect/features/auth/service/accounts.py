"""Registration and password changes."""

from functools import partial
from typing import Annotated, Literal

from msgspec import Meta, Struct

from secureconnect.edge.validation import decode
from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.auth.api import Entered
from secureconnect.features.auth.rules import password_fault
from secureconnect.features.auth.service.addresses import Addresses
from secureconnect.features.auth.service.alerts import AlertService
from secureconnect.features.auth.service.login import Login
from secureconnect.features.sessions.api import Sessions, Tokens
from secureconnect.features.users.api import DisplayName, Email, NewUser, Username, UserRecord, Users
from secureconnect.infra.crypto.hashing import PasswordHasher
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, Detail, ErrorCode, invalid
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Accounts", "Verification"]

#: Whether new accounts are asked to prove their address, and whether they must (`auth.email_verification`).
Verification = Literal["off", "optional", "required"]


class _Admin(Struct):
    email: Email
    username: Username
    password: Annotated[str, Meta(min_length=1, max_length=1024, extra={"clean": "words"})]
    display_name: DisplayName


class Accounts:
    """Makes accounts and changes their passwords."""

    def __init__(
        self,
        database: Database,
        users: Users,
        sessions: Sessions,
        audit: Audit,
        hasher: PasswordHasher,
        login: Login,
        addresses: Addresses,
        alerts: AlertService,
        clock: Clock,
        *,
        open_to_all: bool,
        verification: Verification,
        shortest_password: int,
    ) -> None:
        self._database = database
        self._users = users
        self._sessions = sessions
        self._audit = audit
        self._hasher = hasher
        self._login = login
        self._addresses = addresses
        self._alerts = alerts
        self._clock = clock
        self._open = open_to_all
        self._verification = verification
        self._shortest = shortest_password

    async def register(
        self,
        context: RequestContext,
        *,
        email: str,
        username: str,
        password: str,
        display_name: str,
        device_name: str | None,
        username_fault: Detail | None,
    ) -> Entered | UserRecord:
        """A new account with its first session, or without one where verification comes first.

        Raises:
            ApiError: `FEATURE_DISABLED`, `VALIDATION_ERROR`, or `CONFLICT` naming `email` or `username`.
        """
        if not self._open:
            raise ApiError(ErrorCode.FEATURE_DISABLED, "Registration is closed on this server.")
        faults = [username_fault] if username_fault else []
        weak = password_fault(password, username=username, email=email, shortest=self._shortest)
        if weak:
            faults.append(Detail("password", weak))
        if faults:
            raise ApiError(ErrorCode.VALIDATION_ERROR, "The request is not valid.", details=faults)
        # Hashed before anything is known about the address, so that time does not tell who has an account.
        password_hash = await self._hasher.hash(password)
        now = self._clock.now()
        user_id = new_id()

        def work(tx: WriteTx) -> Tokens | None:
            self._users.create_in(
                tx, NewUser(user_id, email, username, password_hash, display_name, "user", now)
            )
            if self._verification != "off":
                self._addresses.ask_in(tx, user_id, email)
            tokens = None
            if self._verification != "required":
                tokens = self._sessions.start_in(
                    tx, user_id, "user", context, device_name=device_name, now=now
                )
                self._users.logged_in_in(tx, user_id, now)
            self._audit.record_in(
                tx,
                AuditEntry(
                    event="register",
                    actor_id=user_id,
                    session_id=tokens.session_id if tokens is not None else None,
                    target_type="user",
                    target_id=user_id,
                    context=context,
                ),
            )
            return tokens

        try:
            tokens = await self._database.write(work)
        except ApiError as error:
            await self._refused(context, error)
            raise
        record = await self._users.get(user_id)
        assert record is not None
        return Entered(record, tokens) if tokens is not None else record

    async def _refused(self, context: RequestContext, error: ApiError) -> None:
        """Record a taken address or name; durably, so that the refusal costs what a new account costs."""
        if error.code is ErrorCode.CONFLICT:
            entry = AuditEntry(
                event="register",
                result="failure",
                reason="taken",
                actor_type="anonymous",
                target_type="user",
                context=context,
            )
            await self._database.write(lambda tx: self._audit.record_in(tx, entry))

    async def ensure_admin(self, *, email: str, username: str, password: str) -> bool:
        """Make a server admin (True), or promote the active user with this e-mail (False).

        Raises:
            ApiError: `VALIDATION_ERROR`, or `CONFLICT` naming `username`, or `email` when its user is deleted
                or banned.
        """
        now = self._clock.now()
        record = await self._users.by_login(email=email)
        if record is not None:
            await self._database.write(partial(self._promote, record.user_id, now))
            return False
        account = decode(
            _Admin, {"email": email, "username": username, "password": password, "display_name": username}
        )
        weak = password_fault(
            account.password, username=account.username, email=account.email, shortest=self._shortest
        )
        if weak:
            raise invalid("password", weak)
        password_hash = await self._hasher.hash(account.password)
        admin_id = new_id()

        def work(tx: WriteTx) -> None:
            self._users.create_in(
                tx,
                NewUser(
                    admin_id,
                    account.email,
                    account.username,
                    password_hash,
                    account.display_name,
                    "admin",
                    now,
                    email_verified_at=now,  # the operator vouches for it
                ),
            )
            self._audit.record_in(
                tx,
                AuditEntry(
                    event="admin_user_created", actor_type="system", target_type="user", target_id=admin_id
                ),
            )

        await self._database.write(work)
        return True

    def _promote(self, user_id: str, now: int, tx: WriteTx) -> None:
        record = self._users.many_in(tx.conn, [user_id])[user_id]
        if not record.active or self._users.ban_of_in(tx.conn, user_id, now) is not None:
            details = [Detail("email", "its user is deleted or banned")]
            raise ApiError(ErrorCode.CONFLICT, "Only active users become server admins.", details=details)
        self._users.set_role_in(tx, user_id, "admin", now)
        self._audit.record_in(
            tx,
            AuditEntry(
                event="admin_user_updated",
                actor_type="system",
                target_type="user",
                target_id=user_id,
                details={"role": "admin"},
            ),
        )

    async def change_password(
        self, caller: Principal, context: RequestContext, old_password: str, new_password: str
    ) -> None:
        """Replace the password; all other sessions end.

        Raises:
            ApiError: `INVALID_CREDENTIALS` or `ACCOUNT_LOCKED` for the old password, `VALIDATION_ERROR` for a
                weak new one.
        """
        record = await self._users.get(caller.user_id)
        assert record is not None
        stored = await self._login.confirm(caller, context, old_password)
        weak = password_fault(
            new_password, username=record.username, email=record.email, shortest=self._shortest
        )
        if weak is None and new_password == old_password:
            weak = "must differ from the old one"
        if weak is not None:
            raise invalid("new_password", weak)
        password_hash = await self._hasher.hash(new_password)
        now = self._clock.now()

        def work(tx: WriteTx) -> None:
            # The old password may have been changed meanwhile by another session.
            if self._users.password_hash_in(tx.conn, caller.user_id) != stored:
                raise ApiError(ErrorCode.INVALID_CREDENTIALS, "The old password is wrong.")
            self._users.set_password_in(tx, caller.user_id, password_hash, now)
            # Whoever else knew the old password may have set something going with it.
            self._addresses.forget_wishes_in(tx, caller.user_id)
            self._sessions.revoke_all_in(tx, caller.user_id, "password", but=caller.session_id, now=now)
            self._alerts.password_changed_in(tx, record, context)
            self._audit.record_in(
                tx,
                AuditEntry(
                    event="password_changed",
                    actor_id=caller.user_id,
                    session_id=caller.session_id,
                    target_type="user",
                    target_id=caller.user_id,
                    context=context,
                ),
            )

        await self._database.write(work)
