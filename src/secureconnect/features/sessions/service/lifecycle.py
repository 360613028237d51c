"""Starting, renewing, listing and ending sessions (docs/reference/rules.md §2)."""

import secrets
from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec
from sqlalchemy import Connection

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.sessions import store
from secureconnect.features.sessions.api import RevokeReason, SessionEnds, Tokens
from secureconnect.features.sessions.service.access import AUDIENCE
from secureconnect.features.sessions.service.endings import close_of
from secureconnect.features.sessions.service.keyring import KeyRing
from secureconnect.features.users.api import Notices, Users
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import CONTROL, KeysChanged, SessionEnded
from secureconnect.kit.ids import new_id
from secureconnect.kit.pagination import Page
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["SessionLimits", "SessionMetrics", "SessionService"]

_KEPT_MS = 30 * 24 * 3600 * 1000
_TICKETS_KEPT_MS = 24 * 3600 * 1000
_BATCH = 1000


class SessionMetrics(Protocol):
    """Counts renewals and revocations."""

    def authenticated(self, method: str) -> None:
        """One success."""

    def authentication_failed(self, method: str, reason: str) -> None:
        """One failure."""

    def refresh_reused(self) -> None:
        """A rotated refresh token was used again."""

    def sessions_active(self, count: int) -> None:
        """How many sessions are live in all."""

    def revoked(self, reason: str, count: int) -> None:
        """Sessions ended."""


class SessionLimits(msgspec.Struct, frozen=True):
    """Settings of this feature, in seconds."""

    access_ttl: int
    refresh_ttl: int
    max_sessions: int
    issuer: str


class SessionService:
    """Implements `sessions.api.Sessions`."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        keyring: KeyRing,
        users: Users,
        audit: Audit,
        metrics: SessionMetrics,
        clock: Clock,
        limits: SessionLimits,
        notices: Notices | None = None,
        ends: Sequence[SessionEnds] = (),
    ) -> None:
        self._database = database
        self._bus = bus
        self._keyring = keyring
        self._users = users
        self._audit = audit
        self._metrics = metrics
        self._clock = clock
        self._limits = limits
        self._notices = notices
        self._ends = ends

    def start_in(
        self,
        tx: WriteTx,
        user_id: str,
        role: Literal["user", "admin"],
        context: RequestContext,
        *,
        device_name: str | None,
        now: int,
    ) -> Tokens:
        live = store.live_ids(tx.conn, user_id, now)
        surplus = live[: max(0, len(live) + 1 - self._limits.max_sessions)]
        if surplus:
            self._revoke_in(tx, user_id, surplus, "expired", now)
        session_id = new_id()
        store.add_session(
            tx,
            {
                "session_id": session_id,
                "user_id": user_id,
                "device_name": device_name,
                "ip": context.client_ip,
                "user_agent": context.user_agent,
                "authenticated_at": now,
                "created_at": now,
                "last_used_at": now,
                "expires_at": now + self._limits.refresh_ttl * 1000,
            },
        )
        return self._tokens_in(tx, user_id, session_id, role, parent=None, now=now)

    async def refresh(self, refresh_token: str, context: RequestContext) -> Tokens:
        """New tokens for a refresh token, which is used up by this.

        Raises:
            ApiError: `INVALID_TOKEN`, or `TOKEN_REUSED` after revoking the whole session.
        """
        token_hash = store.hash_token(refresh_token)
        now = self._clock.now()

        def work(tx: WriteTx) -> Tokens | ErrorCode:
            row = store.refresh_row(tx.conn, token_hash)
            if row is None or row.session_revoked_at is not None or row.expires_at <= now:
                return ErrorCode.INVALID_TOKEN
            if row.used_at is not None or not store.use_refresh_token(tx, token_hash, now):
                self._revoke_in(tx, row.user_id, [row.session_id], "reuse", now)
                self._audit.record_in(tx, _entry("refresh_reuse_detected", row, context, result="failure"))
                if self._notices is not None:
                    data = {"session_id": row.session_id, "ip": context.client_ip}
                    self._notices.security_in(tx, row.user_id, "refresh_reuse", data)
                return ErrorCode.TOKEN_REUSED
            store.touch(
                tx,
                row.session_id,
                {"last_used_at": now, "expires_at": now + self._limits.refresh_ttl * 1000},
            )
            self._audit.record_in(tx, _entry("token_refreshed", row, context))
            role: Literal["user", "admin"] = (
                "admin" if self._users.is_admin_in(tx.conn, row.user_id) else "user"
            )
            return self._tokens_in(tx, row.user_id, row.session_id, role, parent=token_hash, now=now)

        outcome = await self._database.write(work)
        if isinstance(outcome, Tokens):
            self._metrics.authenticated("refresh")
            return outcome
        if outcome is ErrorCode.TOKEN_REUSED:
            self._metrics.refresh_reused()
            self._metrics.authentication_failed("refresh", "reused")
            raise ApiError(outcome, "This refresh token was used before; the session has ended.")
        self._metrics.authentication_failed("refresh", "invalid")
        self._audit.record(
            AuditEntry(event="refresh_invalid", result="failure", actor_type="anonymous", context=context)
        )
        raise ApiError(outcome, "The refresh token is not valid.")

    async def page(
        self, caller: Principal, *, after: tuple[int, str] | None, limit: int
    ) -> Page[store.SessionRow]:
        """Live sessions of the caller, newest first."""
        now = self._clock.now()
        rows = await self._database.read(
            lambda conn: store.live_sessions(conn, caller.user_id, now, after=after, limit=limit + 1)
        )
        more = len(rows) > limit
        return Page(rows[:limit], (rows[limit - 1].created_at, rows[limit - 1].session_id) if more else None)

    async def end(
        self, caller: Principal, context: RequestContext, session_id: str, reason: RevokeReason
    ) -> None:
        """End one of the caller's sessions.

        Raises:
            ApiError: `NOT_FOUND` when it is not a live one of the caller's.
        """
        now = self._clock.now()

        def work(tx: WriteTx) -> None:
            if session_id not in store.live_ids(tx.conn, caller.user_id, now):
                raise ApiError(ErrorCode.NOT_FOUND, "There is no such session.")
            self._revoke_in(tx, caller.user_id, [session_id], reason, now)
            event = "logout" if reason == "logout" else "session_revoked"
            self._audit.record_in(tx, _session_entry(event, caller, session_id, context))

        await self._database.write(work)

    async def end_others(self, caller: Principal, context: RequestContext) -> int:
        """End all sessions of the caller but the current one; returns how many."""
        now = self._clock.now()

        def work(tx: WriteTx) -> int:
            ended = self.revoke_all_in(tx, caller.user_id, "revoked", but=caller.session_id, now=now)
            for session_id in ended:
                self._audit.record_in(tx, _session_entry("session_revoked", caller, session_id, context))
            return len(ended)

        return await self._database.write(work)

    def revoke_all_in(
        self, tx: WriteTx, user_id: str, reason: RevokeReason, *, but: str | None = None, now: int
    ) -> list[str]:
        ended = [session_id for session_id in store.live_ids(tx.conn, user_id, now) if session_id != but]
        if ended:
            self._revoke_in(tx, user_id, ended, reason, now)
        return ended

    def authenticated_in(self, tx: WriteTx, session_id: str, now: int) -> None:
        store.touch(tx, session_id, {"authenticated_at": now})

    def live_in(self, conn: Connection, user_id: str, now: int) -> list[str]:
        """The ids of the user's live sessions."""
        return store.live_ids(conn, user_id, now)

    def active_users_in(self, conn: Connection, since: int) -> int:
        return store.active_users(conn, since)

    def known_address_in(self, conn: Connection, user_id: str, ip: str) -> bool:
        return store.known_address(conn, user_id, ip)

    def unfamiliar_in(
        self, conn: Connection, user_id: str, context: RequestContext, device_name: str | None
    ) -> bool:
        return (
            store.any_session(conn, user_id)
            and not store.known_address(conn, user_id, context.client_ip)
            and not store.known_device(conn, user_id, device_name, context.user_agent)
        )

    async def rotate_keys(self, caller: Principal, context: RequestContext) -> tuple[str, int]:
        """Sign with a new key from now on; returns its id and until when (ms) the previous one verifies."""

        def work(tx: WriteTx) -> tuple[str, int]:
            kid, until = self._keyring.rotate_in(tx)
            tx.after_commit(lambda: self._bus.publish(CONTROL, KeysChanged()))
            self._audit.record_in(
                tx,
                AuditEntry(
                    event="signing_key_rotated",
                    actor_id=caller.user_id,
                    actor_type="admin",
                    session_id=caller.session_id,
                    target_type="server",
                    target_id=kid,
                    context=context,
                ),
            )
            return kid, until

        return await self._database.write(work)

    async def count(self) -> int:
        """Count the live ones, for the gauge; changes nothing, and says so."""
        now = self._clock.now()
        self._metrics.sessions_active(await self._database.read(lambda conn: store.count_live(conn, now)))
        return 0

    async def purge(self) -> int:
        """Forget what expired 30 days ago, one-time tokens after 24 hours; returns how many rows."""
        now = self._clock.now()
        return await self._database.write(
            lambda tx: store.purge(
                tx, before=now - _KEPT_MS, tickets_before=now - _TICKETS_KEPT_MS, limit=_BATCH
            )
        )

    def _tokens_in(
        self,
        tx: WriteTx,
        user_id: str,
        session_id: str,
        role: Literal["user", "admin"],
        *,
        parent: bytes | None,
        now: int,
    ) -> Tokens:
        refresh_token = secrets.token_urlsafe(32)
        store.add_refresh_token(
            tx,
            {
                "token_hash": store.hash_token(refresh_token),
                "session_id": session_id,
                "parent_hash": parent,
                "issued_at": now,
                "expires_at": now + self._limits.refresh_ttl * 1000,
            },
        )
        issued = now // 1000
        claims: dict[str, Any] = {
            "sub": user_id,
            "sid": session_id,
            "jti": new_id(),
            "role": role,
            "aud": AUDIENCE,
            "iss": self._limits.issuer,
            "iat": issued,
            "nbf": issued,
            "exp": issued + self._limits.access_ttl,
        }
        return Tokens(
            access_token=self._keyring.sign(claims),
            refresh_token=refresh_token,
            expires_in=self._limits.access_ttl,
            session_id=session_id,
        )

    def _revoke_in(
        self, tx: WriteTx, user_id: str, session_ids: Sequence[str], reason: RevokeReason, now: int
    ) -> None:
        store.revoke(tx, session_ids, reason, now)
        for listener in self._ends:
            listener.ended_in(tx, session_ids)
        close = close_of(reason)

        def tell() -> None:
            self._metrics.revoked(reason, len(session_ids))
            for session_id in session_ids:
                self._bus.publish(CONTROL, SessionEnded(user_id, session_id, close))

        tx.after_commit(tell)


def _entry(
    event: str,
    row: store.RefreshRow,
    context: RequestContext,
    result: Literal["success", "failure"] = "success",
) -> AuditEntry:
    return AuditEntry(
        event=event,
        result=result,
        actor_id=row.user_id,
        session_id=row.session_id,
        target_type="session",
        target_id=row.session_id,
        context=context,
    )


def _session_entry(event: str, caller: Principal, session_id: str, context: RequestContext) -> AuditEntry:
    return AuditEntry(
        event=event,
        actor_id=caller.user_id,
        session_id=caller.session_id,
        target_type="session",
        target_id=session_id,
        context=context,
    )
