"""Login and step-up with a password."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from secureconnect.features.auth.api import Entered, SecondFactors, SecondStep
from secureconnect.features.auth.service.entrance import EntranceService, LoginMetrics
from secureconnect.features.auth.service.lockout import Lockout, identifier
from secureconnect.features.users.api import UserRecord, Users
from secureconnect.infra.crypto.hashing import PasswordHasher
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Login"]

T = TypeVar("T")


class _Changed(Exception):
    """The account is not what it was when its password was checked."""


class Login:
    """Checks passwords. Unknown users cost the same work and get the same answer as wrong passwords."""

    def __init__(
        self,
        database: Database,
        users: Users,
        hasher: PasswordHasher,
        lockout: Lockout,
        entrance: EntranceService,
        factors: SecondFactors,
        metrics: LoginMetrics,
        clock: Clock,
    ) -> None:
        self._database = database
        self._users = users
        self._hasher = hasher
        self._lockout = lockout
        self._entrance = entrance
        self._factors = factors
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
    ) -> Entered | SecondStep:
        """A new session for the right password, or what is still missing.

        Raises:
            ApiError: `INVALID_CREDENTIALS`, `ACCOUNT_LOCKED`, and after a right password `ACCOUNT_BANNED` or
                `EMAIL_NOT_VERIFIED`.
        """
        typed = email or username or ""
        while True:
            record = await self._users.by_login(email=email, username=username)
            user_id = record.user_id if record is not None else None
            stored = await self._check(user_id, typed, password, context)
            if record is None or not record.active or stored is None:
                raise await self._failed(user_id, typed, context)
            rehashed = await self._hasher.hash(password) if self._hasher.outdated(stored) else None
            work = partial(self._enter_in, record.user_id, stored, rehashed, context, device_name)
            try:
                return await self._write(work, context, record.user_id)
            except _Changed:
                continue

    async def reauthenticate(self, caller: Principal, context: RequestContext, password: str) -> int:
        """Prove again who holds this session; returns the time (ms).

        Raises:
            ApiError: `INVALID_CREDENTIALS` or `ACCOUNT_LOCKED`.
        """
        while True:
            stored = await self.confirm(caller, context, password)

            def work(tx: WriteTx, stored: str = stored) -> int:
                self._still_in(tx, caller.user_id, stored, context)
                # Who knows the password only shall not guess at the second factor for ever.
                forgives = not self._factors.needed_in(tx.conn, caller.user_id)
                return self._entrance.proved_in(tx, caller, context, "password", forgives=forgives)

            try:
                return await self._write(work, context, caller.user_id)
            except _Changed:
                continue

    async def confirm(self, caller: Principal, context: RequestContext, password: str) -> str:
        """Check the caller's own password; returns its stored hash. Failures count like those of logins.

        Raises:
            ApiError: `INVALID_CREDENTIALS` or `ACCOUNT_LOCKED`.
        """
        stored = await self._check(caller.user_id, "", password, context)
        if stored is None:
            raise await self._failed(caller.user_id, "", context)
        return stored

    async def _check(
        self, user_id: str | None, typed: str, password: str, context: RequestContext
    ) -> str | None:
        """The stored hash when the password is right; None otherwise, after the same work."""
        with self._entrance.counted("password", context, user_id):
            await self._lockout.check(identifier(user_id, typed), user_id, context.client_ip)
        stored = await self._database.lookup(lambda conn: self._users.password_hash_in(conn, user_id or ""))
        return stored if await self._hasher.verify(stored, password) else None

    def _enter_in(
        self,
        user_id: str,
        stored: str,
        rehashed: str | None,
        context: RequestContext,
        device_name: str | None,
        tx: WriteTx,
    ) -> Entered | SecondStep:
        """Start a session or ask for more, if nothing has changed since the password was checked."""
        record = self._still_in(tx, user_id, stored, context)
        if rehashed is not None:
            self._users.set_password_in(tx, user_id, rehashed, self._clock.now())
        step = self._factors.ask_in(tx, user_id, password_hash=rehashed or stored, device_name=device_name)
        if step is not None:
            self._entrance.allowed_in(tx.conn, record)
            # The failures of this address stay counted until the second step is done.
            tx.after_commit(lambda: self._metrics.authenticated("password"))
            return step
        entered = self._entrance.admit_in(tx, user_id, context, method="password", device_name=device_name)
        if entered is None:
            raise _Changed
        return entered

    def _still_in(self, tx: WriteTx, user_id: str, stored: str, context: RequestContext) -> UserRecord:
        """The account as it is now. Hashing takes a while, in which others guess and the owner acts.

        Raises:
            ApiError: `ACCOUNT_LOCKED`.
            _Changed: the account or its password is another one than when it was checked.
        """
        self._entrance.unlocked_in(tx.conn, user_id, context)
        record = self._users.many_in(tx.conn, [user_id])[user_id]
        if not record.active or self._users.password_hash_in(tx.conn, user_id) != stored:
            raise _Changed
        return record

    async def _failed(self, user_id: str | None, typed: str, context: RequestContext) -> ApiError:
        """Count the failure durably, then say what everybody hears."""

        def work(tx: WriteTx) -> None:
            self._entrance.failed_in(tx, user_id, context, method="password", typed=typed)

        await self._write(work, context, user_id)
        return ApiError(ErrorCode.INVALID_CREDENTIALS, "The login or the password is wrong.")

    async def _write(self, work: Callable[[WriteTx], T], context: RequestContext, user_id: str | None) -> T:
        with self._entrance.counted("password", context, user_id):
            return await self._database.write(work)
