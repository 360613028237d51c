"""Login and step-up with a password."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol, TypeVar

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.auth.service.lockout import Lockout, identifier
from secureconnect.features.sessions.api import Sessions, Tokens
from secureconnect.features.users.api import UserRecord, Users
from secureconnect.infra.crypto.hashing import PasswordHasher
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Login", "LoginMetrics"]

T = TypeVar("T")


class _Changed(Exception):
    """The account is not what it was when its password was checked."""


class LoginMetrics(Protocol):
    """Counts logins."""

    def authenticated(self, method: str) -> None:
        """One success."""

    def authentication_failed(self, method: str, reason: str) -> None:
        """One failure."""

    def account_locked(self) -> None:
        """A lock began."""


class Login:
    """Checks passwords. Unknown users cost the same work and get the same answer as wrong passwords."""

    def __init__(
        self,
        database: Database,
        users: Users,
        sessions: Sessions,
        audit: Audit,
        hasher: PasswordHasher,
        lockout: Lockout,
        metrics: LoginMetrics,
        clock: Clock,
    ) -> None:
        self._database = database
        self._users = users
        self._sessions = sessions
        self._audit = audit
        self._hasher = hasher
        self._lockout = lockout
        self._metrics = metrics
        self._clock = clock

    async def login(
        self,
        context: RequestContext,
        *,
        email: str | None,
        username: str | None,
        password: str,
        device_name: str | None,
    ) -> tuple[UserRecord, Tokens]:
        """A new session for the right password.

        Raises:
            ApiError: `INVALID_CREDENTIALS` or `ACCOUNT_LOCKED`.
        """
        while True:
            record = await self._users.by_login(email=email, username=username)
            user_id = record.user_id if record is not None else None
            who = identifier(user_id, email or username or "")
            stored = await self._check(who, user_id, password, context)
            if record is None or not record.active or stored is None:
                raise await self._failed(who, user_id, context)
            rehashed = await self._hasher.hash(password) if self._hasher.outdated(stored) else None
            work = partial(self._enter_in, who, record.user_id, stored, rehashed, context, device_name)
            try:
                current, tokens = await self._write(work)
            except _Changed:
                continue
            self._metrics.authenticated("password")
            return current, tokens

    async def reauthenticate(self, caller: Principal, context: RequestContext, password: str) -> int:
        """Prove again who holds this session; returns the time (ms).

        Raises:
            ApiError: `INVALID_CREDENTIALS` or `ACCOUNT_LOCKED`.
        """
        who = identifier(caller.user_id, "")
        while True:
            stored = await self.confirm(caller, context, password)
            now = self._clock.now()

            def work(tx: WriteTx, stored: str = stored, now: int = now) -> None:
                self._still_in(tx, who, caller.user_id, stored, context)
                self._lockout.succeeded_in(tx, who, context.client_ip)
                self._sessions.authenticated_in(tx, caller.session_id, now)

            try:
                await self._write(work)
            except _Changed:
                continue
            self._metrics.authenticated("password")
            return now

    async def confirm(self, caller: Principal, context: RequestContext, password: str) -> str:
        """Check the caller's own password; returns its stored hash. Failures count like those of logins.

        Raises:
            ApiError: `INVALID_CREDENTIALS` or `ACCOUNT_LOCKED`.
        """
        who = identifier(caller.user_id, "")
        stored = await self._check(who, caller.user_id, password, context)
        if stored is None:
            raise await self._failed(who, caller.user_id, context)
        return stored

    async def _check(
        self, who: bytes, user_id: str | None, password: str, context: RequestContext
    ) -> str | None:
        """The stored hash when the password is right; None otherwise, after the same work."""
        with self._counting_locks():
            await self._lockout.check(who, user_id, context.client_ip)
        stored = await self._database.lookup(lambda conn: self._users.password_hash_in(conn, user_id or ""))
        return stored if await self._hasher.verify(stored, password) else None

    def _enter_in(
        self,
        who: bytes,
        user_id: str,
        stored: str,
        rehashed: str | None,
        context: RequestContext,
        device_name: str | None,
        tx: WriteTx,
    ) -> tuple[UserRecord, Tokens]:
        """Start a session, if nothing has changed since the password was checked."""
        now = self._clock.now()
        record = self._still_in(tx, who, user_id, stored, context)
        self._lockout.succeeded_in(tx, who, context.client_ip)
        if rehashed is not None:
            self._users.set_password_in(tx, user_id, rehashed, now)
        tokens = self._sessions.start_in(tx, user_id, record.role, context, device_name=device_name, now=now)
        self._users.logged_in_in(tx, user_id, now)
        self._audit.record_in(tx, _entry("login_success", user_id, context, session_id=tokens.session_id))
        return record, tokens

    def _still_in(
        self, tx: WriteTx, who: bytes, user_id: str, stored: str, context: RequestContext
    ) -> UserRecord:
        """The account as it is now. Hashing takes a while, in which others guess and the owner acts.

        Raises:
            ApiError: `ACCOUNT_LOCKED`.
            _Changed: the account or its password is another one than when it was checked.
        """
        self._lockout.check_in(tx.conn, who, user_id, context.client_ip)
        record = self._users.many_in(tx.conn, [user_id])[user_id]
        if not record.active or self._users.password_hash_in(tx.conn, user_id) != stored:
            raise _Changed
        return record

    async def _failed(self, who: bytes, user_id: str | None, context: RequestContext) -> ApiError:
        """Count the failure durably, then say what everybody hears."""

        def work(tx: WriteTx) -> bool:
            self._lockout.check_in(tx.conn, who, user_id, context.client_ip)
            locks = self._lockout.failed_in(tx, who, context.client_ip)
            self._audit.record_in(tx, _entry("login_failed", user_id, context, result="failure"))
            if locks:
                self._audit.record_in(tx, _entry("account_locked", user_id, context, result="failure"))
            return locks

        if await self._write(work):
            self._metrics.account_locked()
        self._metrics.authentication_failed("password", "invalid")
        return ApiError(ErrorCode.INVALID_CREDENTIALS, "The login or the password is wrong.")

    async def _write(self, work: Callable[[WriteTx], T]) -> T:
        with self._counting_locks():
            return await self._database.write(work)

    @contextmanager
    def _counting_locks(self) -> Iterator[None]:
        try:
            yield
        except ApiError as error:
            if error.code is ErrorCode.ACCOUNT_LOCKED:
                self._metrics.authentication_failed("password", "locked")
            raise


def _entry(
    event: str,
    user_id: str | None,
    context: RequestContext,
    *,
    result: str = "success",
    session_id: str | None = None,
) -> AuditEntry:
    return AuditEntry(
        event=event,
        result="success" if result == "success" else "failure",
        actor_id=user_id,
        actor_type="user" if user_id else "anonymous",
        session_id=session_id,
        target_type="user",
        target_id=user_id,
        context=context,
    )
