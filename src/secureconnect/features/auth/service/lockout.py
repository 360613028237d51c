"""Lockout after failed attempts (docs/reference/rules.md §1)."""

import hashlib
from typing import Final

import msgspec
from sqlalchemy import Connection

from secureconnect.features.auth import store
from secureconnect.features.sessions.api import Sessions
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.text import fold

__all__ = ["Lock", "Lockout", "LockoutLimits", "identifier"]

_SPREAD_WINDOW_MS: Final = 3600 * 1000


class LockoutLimits(msgspec.Struct, frozen=True):
    """Settings; window and duration in seconds."""

    failures: int
    window: int
    duration: int
    account_failures: int


class Lock(msgspec.Struct, frozen=True):
    """A lock that began, for `seconds`: for one address, or `everywhere` but where the account was in use.

    `told` says that locks of other addresses began within the last hour, so that the owner knows already.
    """

    everywhere: bool
    seconds: int
    told: bool


def identifier(user_id: str | None, typed: str) -> bytes:
    """What failures are counted under: the account, or the typed name where there is none."""
    return hashlib.sha256((user_id or fold(typed)).encode()).digest()


class Lockout:
    """Counts failures and says when it is enough. Unknown identifiers lock like known ones."""

    def __init__(self, database: Database, sessions: Sessions, clock: Clock, limits: LockoutLimits) -> None:
        self._database = database
        self._sessions = sessions
        self._clock = clock
        self._limits = limits

    async def check(self, who: bytes, user_id: str | None, ip: str) -> None:
        """Raises ApiError `ACCOUNT_LOCKED` with the seconds left while a lock holds for this address."""
        await self._database.lookup(lambda conn: self.check_in(conn, who, user_id, ip))

    def check_in(self, conn: Connection, who: bytes, user_id: str | None, ip: str) -> None:
        """The same within a transaction."""
        now = self._clock.now()
        until = self._locked_until(conn, who, user_id, ip, now)
        if until is not None:
            raise ApiError(
                ErrorCode.ACCOUNT_LOCKED,
                "Too many failed attempts.",
                retry_after=max(1, -(-(until - now) // 1000)),
            )

    def failed_in(self, tx: WriteTx, who: bytes, ip: str) -> Lock | None:
        """Count one failure; the lock that begins with it, if any."""
        now = self._clock.now()
        limits = self._limits
        locked = _count(tx, who, ip, now, limits.window * 1000, limits.failures, limits.duration * 1000)
        spread = _count(
            tx, who, store.ANYWHERE, now, _SPREAD_WINDOW_MS, limits.account_failures, _SPREAD_WINDOW_MS
        )
        if spread:
            return Lock(everywhere=True, seconds=_SPREAD_WINDOW_MS // 1000, told=False)
        if not locked:
            return None
        since = now - _SPREAD_WINDOW_MS + limits.duration * 1000
        told = store.locked_elsewhere(tx.conn, who, ip, since)
        return Lock(everywhere=False, seconds=limits.duration, told=told)

    def succeeded_in(self, tx: WriteTx, who: bytes, ip: str) -> None:
        """Reset the count of this address."""
        store.clear(tx, who, ip)

    def lift_in(self, tx: WriteTx, who: bytes) -> None:
        """Forget every failure and every lock."""
        store.clear_all(tx, who)

    async def purge(self) -> int:
        """Forget windows that are over."""
        longest = max(_SPREAD_WINDOW_MS, (self._limits.window + self._limits.duration) * 1000)
        before = self._clock.now() - 2 * longest
        return await self._database.write(lambda tx: store.purge(tx, before))

    def _locked_until(
        self, conn: Connection, who: bytes, user_id: str | None, ip: str, now: int
    ) -> int | None:
        here = store.find(conn, who, ip)
        if here is not None and here.locked_until is not None and here.locked_until > now:
            return here.locked_until
        anywhere = store.find(conn, who, store.ANYWHERE)
        if anywhere is None or anywhere.locked_until is None or anywhere.locked_until <= now:
            return None
        known = user_id is not None and self._sessions.known_address_in(conn, user_id, ip)
        return None if known else anywhere.locked_until


def _count(tx: WriteTx, who: bytes, ip: str, now: int, window: int, most: int, duration: int) -> bool:
    found = store.find(tx.conn, who, ip)
    if found is None or found.window_start + window <= now or _over(found, now):
        attempts = store.Attempts(now, 1, None)
    else:
        attempts = found._replace(failures=found.failures + 1)
    locks = attempts.failures >= most and attempts.locked_until is None
    if locks:
        attempts = attempts._replace(locked_until=now + duration)
    store.save(tx, who, ip, attempts, new=found is None)
    return locks


def _over(attempts: store.Attempts, now: int) -> bool:
    """A lock that ended starts a new count."""
    return attempts.locked_until is not None and attempts.locked_until <= now
