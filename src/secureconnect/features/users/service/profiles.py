"""Use cases around one's own account, and the cached records that every feature reads."""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.users import rules, store
from secureconnect.features.users.api import (
    Ban,
    FactorOwners,
    NewUser,
    PublicUser,
    Status,
    Statuses,
    User,
    UserRecord,
    public_user,
    render_user,
    username_fault,
)
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import CONTROL, Hint, ProfileChanged
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["UserService"]

_CACHED = 20_000


class UserService:
    """Implements `users.api.Users`.

    Records are cached by id; a change drops its record on commit here and by a hint in other processes.
    """

    def __init__(
        self,
        database: Database,
        bus: Bus,
        audit: Audit,
        clock: Clock,
        statuses: Statuses,
        factors: FactorOwners,
        *,
        allow_http: bool,
    ) -> None:
        self._database = database
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._statuses = statuses
        self._factors = factors
        self._allow_http = allow_http
        self._cache: OrderedDict[str, UserRecord] = OrderedDict()
        self._changes = 0
        self._hits = self._misses = 0

    async def start(self) -> None:
        """Listen for changes made by other processes."""
        self._bus.on_doubt(self._forget_all)
        await self._bus.subscribe(CONTROL, self._forget_on)

    async def get(self, user_id: str) -> UserRecord | None:
        record = self._cache.get(user_id)
        if record is None:
            return (await self.many([user_id])).get(user_id)
        self._hits += 1
        return record

    def cache_hit_rate(self) -> float:
        """Look-ups that were answered from memory, in percent with two decimals; 0 before the first."""
        asked = self._hits + self._misses
        return round(100 * self._hits / asked, 2) if asked else 0.0

    async def many(self, user_ids: Collection[str]) -> dict[str, UserRecord]:
        found = {user_id: record for user_id in user_ids if (record := self._cache.get(user_id))}
        missing = [user_id for user_id in user_ids if user_id not in found]
        self._hits += len(found)
        self._misses += len(missing)
        if missing:
            changes = self._changes
            loaded = await self._database.lookup(lambda conn: store.find(conn, missing))
            # What changed meanwhile may have been read before: it is not kept.
            if changes == self._changes:
                self._cache.update(loaded)
            while len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
            found |= loaded
        return found

    async def public(self, viewer_id: str, user_ids: Collection[str]) -> dict[str, PublicUser]:
        records = await self.many(user_ids)
        statuses = await self._statuses.visible(viewer_id, records)
        return {user_id: public_user(record, statuses.get(user_id)) for user_id, record in records.items()}

    async def own_status(self, user_id: str) -> Status:
        """The caller's own effective status."""
        return (await self._statuses.visible(user_id, [user_id])).get(user_id, "offline")

    async def mfa_enabled(self, user_id: str) -> bool:
        return user_id in await self._factors.having([user_id])

    async def itself(self, record: UserRecord) -> User:
        """A user as shown to itself."""
        return render_user(
            record,
            await self.own_status(record.user_id),
            mfa_enabled=await self.mfa_enabled(record.user_id),
        )

    async def by_login(self, *, email: str | None = None, username: str | None = None) -> UserRecord | None:
        return await self._database.lookup(
            lambda conn: store.find_by_login(conn, email=email, username=username)
        )

    async def search(self, text: str, *, after_username: str | None, limit: int) -> list[UserRecord]:
        now = self._clock.now()
        return await self._database.read(
            lambda conn: store.search(conn, text, now, after_username=after_username, limit=limit)
        )

    async def update(
        self,
        caller: Principal,
        context: RequestContext,
        changes: Mapping[str, Any],
        privacy: Mapping[str, Any],
    ) -> UserRecord:
        """Change the caller's profile; `changes` are columns, `privacy` a subset of its fields.

        Raises:
            ApiError: `VALIDATION_ERROR`, or `CONFLICT` for a taken username.
        """
        faults = []
        if changes.get("username") and (fault := username_fault(changes["username"])):
            faults.append(fault)
        if changes.get("avatar_url") and (
            fault := rules.avatar_url_fault(changes["avatar_url"], allow_http=self._allow_http)
        ):
            faults.append(fault)
        if faults:
            raise ApiError(ErrorCode.VALIDATION_ERROR, "The request is not valid.", details=faults)
        now = self._clock.now()

        def work(tx: WriteTx) -> UserRecord:
            before = store.find(tx.conn, [caller.user_id])[caller.user_id]
            values = dict(changes)
            if privacy:
                values["privacy"] = msgspec.json.encode(
                    msgspec.structs.replace(before.privacy, **privacy)
                ).decode()
            if not values:
                return before
            if "avatar_url" in values:  # a picture elsewhere, or none
                values["avatar_file_id"] = None
            store.update_user(tx, caller.user_id, values, now)
            self._audit.record_in(
                tx,
                AuditEntry(
                    event="profile_updated",
                    actor_id=caller.user_id,
                    session_id=caller.session_id,
                    target_type="user",
                    target_id=caller.user_id,
                    context=context,
                    details={"fields": ",".join(sorted(values.keys() - {"avatar_file_id"}))},
                ),
            )
            self.changed_in(tx, caller.user_id)
            return store.find(tx.conn, [caller.user_id])[caller.user_id]

        return await self._database.write(work)

    def many_in(self, conn: Connection, user_ids: Collection[str]) -> dict[str, UserRecord]:
        return store.find(conn, user_ids)

    def active_in(self, conn: Connection, user_ids: Collection[str]) -> set[str]:
        return store.active_ids(conn, user_ids)

    def create_in(self, tx: WriteTx, user: NewUser) -> None:
        store.insert_user(tx, user)

    def password_hash_in(self, conn: Connection, user_id: str) -> str | None:
        return store.password_hash(conn, user_id)

    def set_password_in(self, tx: WriteTx, user_id: str, password_hash: str, now: int) -> None:
        store.update_user(tx, user_id, {"password_hash": password_hash}, now)
        self.changed_in(tx, user_id)

    def set_role_in(self, tx: WriteTx, user_id: str, role: Literal["user", "admin"], now: int) -> None:
        store.set_role(tx, user_id, role, now)
        self.changed_in(tx, user_id)

    def is_admin_in(self, conn: Connection, user_id: str) -> bool:
        return store.is_admin(conn, user_id)

    def by_email_in(self, conn: Connection, email: str) -> UserRecord | None:
        return store.find_by_login(conn, email=email, username=None)

    def set_email_in(self, tx: WriteTx, user_id: str, email: str, now: int) -> None:
        store.update_user(tx, user_id, {"email": email, "email_verified_at": now}, now)
        self.changed_in(tx, user_id)

    def email_verified_in(self, tx: WriteTx, user_id: str, now: int) -> None:
        store.update_user(tx, user_id, {"email_verified_at": now}, now)
        self.changed_in(tx, user_id)

    def logged_in_in(self, tx: WriteTx, user_id: str, now: int) -> None:
        store.touch_login(tx, user_id, now)

    def storage_quota_in(self, conn: Connection, user_id: str) -> int | None:
        return store.storage_quota(conn, user_id)

    def avatars_in(self, conn: Connection, user_ids: Collection[str]) -> dict[str, str]:
        return store.avatars(conn, user_ids)

    def set_avatar_in(self, tx: WriteTx, user_id: str, file_id: str | None, now: int) -> str | None:
        before = store.avatars(tx.conn, [user_id]).get(user_id)
        # The end of the id is random: a new picture has a new address, which caches do not know.
        url = f"/v1/users/{user_id}/avatar?v={file_id[-12:]}" if file_id is not None else None
        store.update_user(tx, user_id, {"avatar_file_id": file_id, "avatar_url": url}, now)
        self.changed_in(tx, user_id)
        return before

    def ban_of_in(self, conn: Connection, user_id: str, now: int) -> Ban | None:
        return store.ban_in_force(conn, user_id, now)

    def changed_in(self, tx: WriteTx, user_id: str) -> None:
        """Drop what is cached of this user everywhere, once the change commits."""

        def tell() -> None:
            self._forget(user_id)
            self._bus.publish(CONTROL, ProfileChanged(user_id))

        tx.after_commit(tell)

    def _forget_on(self, hint: Hint) -> None:
        if isinstance(hint, ProfileChanged):
            self._forget(hint.user_id)

    def _forget_all(self, _over: bool) -> None:
        self._changes += 1
        self._cache.clear()

    def _forget(self, user_id: str) -> None:
        self._changes += 1
        self._cache.pop(user_id, None)
