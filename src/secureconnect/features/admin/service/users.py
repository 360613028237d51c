"""Accounts under administration."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import Connection

from secureconnect.features.admin import rules
from secureconnect.features.admin.api import Presences
from secureconnect.features.admin.service.trail import Admin, Trail
from secureconnect.features.auth.api import Passwords
from secureconnect.features.factors.api import Factors
from secureconnect.features.files.api import Files
from secureconnect.features.privacy.api import Deletions
from secureconnect.features.sessions.api import Sessions
from secureconnect.features.users.api import (
    Account,
    Accounts,
    AccountsWanted,
    NewUser,
    Status,
    Users,
    username_fault,
)
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.errors import ApiError, Detail, ErrorCode
from secureconnect.kit.ids import new_id
from secureconnect.kit.pagination import Page

__all__ = ["Changes", "NewAccount", "Shown", "UserAdministration"]

_BY_PRESENCE = ("online", "offline")


class Shown(NamedTuple):
    """An account with what other features know of it; storage in bytes."""

    account: Account
    status: Status
    mfa_enabled: bool
    storage_used: int
    storage_quota: int


class NewAccount(Struct, frozen=True):
    """An account that an administrator makes for somebody; `storage_quota` in bytes."""

    email: str
    username: str
    password: str
    display_name: str
    role: Literal["user", "admin"]
    storage_quota: int | None


class Changes(Struct, frozen=True):
    """What becomes different; a quota of None is the common one."""

    role: Literal["user", "admin"] | UnsetType = UNSET
    storage_quota: int | UnsetType | None = UNSET
    email_verified: bool | UnsetType = UNSET


class UserAdministration:
    """What administrators see of accounts and do with them. Whether the caller is one was checked before."""

    def __init__(
        self,
        *,
        database: Database,
        users: Users,
        accounts: Accounts,
        sessions: Sessions,
        passwords: Passwords,
        factors: Factors,
        files: Files,
        presences: Presences,
        deletions: Deletions,
        trail: Trail,
        clock: Clock,
    ) -> None:
        self._database = database
        self._users = users
        self._accounts = accounts
        self._sessions = sessions
        self._passwords = passwords
        self._factors = factors
        self._files = files
        self._presences = presences
        self._deletions = deletions
        self._trail = trail
        self._clock = clock

    async def page(
        self, admin: Admin, wanted: AccountsWanted, *, after: tuple[str | int, str] | None, limit: int
    ) -> tuple[Page[Shown], int]:
        """Accounts of people, and how many match in all."""
        by_presence = wanted.status in _BY_PRESENCE or wanted.order == "status"
        online = await self._presences.online() if by_presence else ()
        page, total = await self._accounts.page(wanted, online, after=after, limit=limit)
        self._trail.viewed(admin, "users")
        return Page(await self._shown(page.items), page.after), total

    async def one(self, admin: Admin, user_id: str) -> Shown:
        """One account; raises ApiError `NOT_FOUND`."""
        with self._trail.attempt("admin_viewed", admin, user_id):
            shown = await self._find(user_id)
        self._trail.viewed(admin, "user", user_id)
        return shown

    async def create(self, admin: Admin, wanted: NewAccount) -> Shown:
        """A new account, whether or not registration is open.

        Raises:
            ApiError: `VALIDATION_ERROR`, or `CONFLICT` naming `email` or `username`.
        """
        user_id, now = new_id(), self._clock.now()

        def work(tx: WriteTx) -> None:
            self._users.create_in(
                tx,
                NewUser(
                    user_id,
                    wanted.email,
                    wanted.username,
                    password_hash,
                    wanted.display_name,
                    wanted.role,
                    now,
                ),
            )
            if wanted.storage_quota is not None:
                self._accounts.set_quota_in(tx, user_id, wanted.storage_quota, now)
            self._trail.did_in(tx, "admin_user_created", admin, user_id, {"role": wanted.role})

        with self._trail.attempt("admin_user_created", admin):
            self._check_new(wanted)
            password_hash = await self._passwords.hash(wanted.password)
            await self._database.write(work)
        return await self._find(user_id)

    async def change(self, admin: Admin, user_id: str, changes: Changes) -> Shown:
        """Change an account.

        Raises:
            ApiError: `NOT_FOUND`; `CONFLICT` for the role of the last admin, and for the role admin of
                somebody who cannot log in.
        """

        def work(tx: WriteTx) -> None:
            now = self._clock.now()
            account = self._accounts.find_in(tx.conn, user_id, now)
            if account is None:
                raise rules.no_user()
            self._change_role_in(tx, account, changes.role, now)
            if not isinstance(changes.storage_quota, UnsetType):
                self._accounts.set_quota_in(tx, user_id, changes.storage_quota, now)
            if not isinstance(changes.email_verified, UnsetType):
                self._accounts.set_verified_in(tx, user_id, verified=changes.email_verified, now=now)
            given = msgspec.to_builtins(changes)
            details = {name: msgspec.json.encode(value).decode().strip('"') for name, value in given.items()}
            self._trail.did_in(tx, "admin_user_updated", admin, user_id, details)

        with self._trail.attempt("admin_user_updated", admin, user_id):
            await self._database.write(work)
        return await self._find(user_id)

    async def log_out(self, admin: Admin, user_id: str, reason: str) -> None:
        """End every session of a user; raises ApiError `NOT_FOUND`."""

        def work(tx: WriteTx) -> None:
            self._existing_in(tx.conn, user_id)
            ended = self._sessions.revoke_all_in(tx, user_id, "admin", now=self._clock.now())
            details = {"reason": reason, "sessions": str(len(ended))}
            self._trail.did_in(tx, "admin_logout_user", admin, user_id, details)

        with self._trail.attempt("admin_logout_user", admin, user_id):
            await self._database.write(work)

    async def reset_factors(self, admin: Admin, user_id: str, reason: str) -> None:
        """Take the second factors of somebody away who lost them; raises ApiError `NOT_FOUND`."""

        def work(tx: WriteTx) -> None:
            self._existing_in(tx.conn, user_id)
            was_on = self._factors.reset_in(tx, user_id)
            details = {"reason": reason, "was_on": "true" if was_on else "false"}
            self._trail.did_in(tx, "admin_mfa_reset", admin, user_id, details)

        with self._trail.attempt("admin_mfa_reset", admin, user_id):
            await self._database.write(work)

    async def delete(self, admin: Admin, user_id: str, reason: str, *, immediate: bool) -> int:
        """Delete an account; returns when it will be erased (ms).

        Raises:
            ApiError: `NOT_FOUND`; `CONFLICT` for a server admin.
        """

        def work(tx: WriteTx) -> int:
            rules.check_erasable(self._accounts.find_in(tx.conn, user_id, self._clock.now()))
            erase_at = self._deletions.delete_in(tx, user_id, immediate=immediate)
            details = {"reason": reason, "erase_at": rfc3339(erase_at)}
            self._trail.did_in(tx, "admin_erase_requested", admin, user_id, details)
            return erase_at

        with self._trail.attempt("admin_erase_requested", admin, user_id):
            return await self._database.write(work)

    async def restore(self, admin: Admin, user_id: str, reason: str) -> Shown:
        """Bring a deleted account back.

        Raises:
            ApiError: `NOT_FOUND`; `CONFLICT` for one that is not deleted, or whose time is over.
        """

        def work(tx: WriteTx) -> None:
            if self._accounts.find_in(tx.conn, user_id, self._clock.now()) is None:
                raise rules.not_deleted() if self._users.many_in(tx.conn, [user_id]) else rules.no_user()
            self._deletions.restore_in(tx, user_id)
            self._trail.did_in(tx, "account_restored", admin, user_id, {"reason": reason})

        with self._trail.attempt("account_restored", admin, user_id):
            await self._database.write(work)
        return await self._find(user_id)

    def _check_new(self, wanted: NewAccount) -> None:
        fault = username_fault(wanted.username)
        faults = [fault] if fault is not None else []
        weak = self._passwords.fault(wanted.password, username=wanted.username, email=wanted.email)
        if weak is not None:
            faults.append(Detail("password", weak))
        if faults:
            raise ApiError(ErrorCode.VALIDATION_ERROR, "The request is not valid.", details=faults)

    def _change_role_in(
        self, tx: WriteTx, account: Account, role: Literal["user", "admin"] | UnsetType, now: int
    ) -> None:
        record = account.record
        if isinstance(role, UnsetType) or role == record.role:
            return
        if role == "admin":
            rules.check_promotion(account)
        else:
            last = record.active and self._accounts.is_last_admin_in(tx.conn, record.user_id, now)
            rules.check_demotion(last=last)
        self._users.set_role_in(tx, record.user_id, role, now)

    def _existing_in(self, conn: Connection, user_id: str) -> None:
        if self._accounts.find_in(conn, user_id, self._clock.now()) is None:
            raise rules.no_user()

    async def _find(self, user_id: str) -> Shown:
        account = await self._database.lookup(
            lambda conn: self._accounts.find_in(conn, user_id, self._clock.now())
        )
        if account is None:
            raise rules.no_user()
        return (await self._shown([account]))[0]

    async def _shown(self, accounts: Sequence[Account]) -> list[Shown]:
        ids = [account.record.user_id for account in accounts]
        statuses = await self._presences.statuses(ids)
        having, used = await self._database.lookup(
            lambda conn: (self._factors.having_in(conn, ids), self._files.used_in(conn, ids))
        )
        return [
            Shown(
                account,
                statuses[account.record.user_id],
                account.record.user_id in having,
                used.get(account.record.user_id, 0),
                self._files.quota(account.storage_quota),
            )
            for account in accounts
        ]
