"""The devices of users: registered, shown, forgotten (docs/reference/rules.md §11)."""

from collections.abc import Collection, Mapping

from msgspec import Struct, structs

from secureconnect.features.push import store
from secureconnect.features.push.api import Platform, Provider
from secureconnect.features.push.rules import PushLimits
from secureconnect.features.push.service.secrecy import Vault
from secureconnect.features.push.store import Token
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.push.base import PushTransport, TargetFault, masked
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import Principal

__all__ = ["Device", "Devices"]

_BATCH = 1000
_DAY_MS = 24 * 3600 * 1000


class Device(Struct, frozen=True, kw_only=True):
    """What somebody registers."""

    provider: Provider
    token: str
    device_id: str | None
    platform: Platform | None
    p256dh: bytes
    auth: bytes


class Devices:
    """Implements `sessions.api.SessionEnds` too: what a session registered ends with it.

    Args:
        transports: those that this server can reach.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        transports: Mapping[Provider, PushTransport],
        clock: Clock,
        limits: PushLimits,
    ) -> None:
        self._database = database
        self._vault = vault
        self._transports = transports
        self._clock = clock
        self._limits = limits

    async def register(self, caller: Principal, device: Device) -> str:
        """Take pushes on this device from now on, for as long as the caller's session lasts; returns the
        token's id. Whoever had the token before has it no more.

        Raises:
            ApiError: `FEATURE_DISABLED` without that provider; `VALIDATION_ERROR`; `LIMIT_REACHED`.
        """
        transport = self._transports.get(device.provider)
        if transport is None:
            raise ApiError(ErrorCode.FEATURE_DISABLED, f"This server does not push by {device.provider}.")
        fresh = self._sealed(caller, device)
        try:
            await transport.check(self._vault.target(fresh))
        except TargetFault as fault:
            raise invalid(fault.field, fault.message) from fault

        def work(tx: WriteTx) -> str:
            known = store.token_of_hash(tx.conn, fresh.token_hash)
            token = fresh
            if known is not None:
                store.remove_token(tx, known.token_id)
                if known.user_id == caller.user_id:
                    token = self._resealed(fresh, known, device)
            if store.count_active(tx.conn, caller.user_id) >= self._limits.max_tokens:
                raise ApiError(
                    ErrorCode.LIMIT_REACHED, f"No more than {self._limits.max_tokens} devices take pushes."
                )
            store.add_token(tx, token)
            store.forget_inactive(tx, caller.user_id, self._limits.max_tokens)
            return token.token_id

        return await self._database.write(work)

    async def list(self, caller: Principal) -> list[Token]:
        """The caller's tokens, the oldest first."""
        return await self._database.read(lambda conn: store.list_tokens(conn, caller.user_id))

    async def count(self, caller: Principal) -> int:
        """How many of the caller's take pushes."""
        return await self._database.lookup(lambda conn: store.count_active(conn, caller.user_id))

    async def remove(self, caller: Principal, token: str) -> None:
        """Forget one.

        Raises:
            ApiError: `NOT_FOUND`.
        """

        def work(tx: WriteTx) -> None:
            known = store.token_of_hash(tx.conn, self._vault.hash(token))
            if known is None or known.user_id != caller.user_id:
                raise ApiError(ErrorCode.NOT_FOUND, "There is no such token.")
            store.remove_token(tx, known.token_id)

        await self._database.write(work, brief=True)

    async def remove_all(self, caller: Principal) -> int:
        """Forget all of the caller's; returns how many."""
        return await self._database.write(lambda tx: store.remove_all(tx, caller.user_id))

    def ended_in(self, tx: WriteTx, session_ids: Collection[str]) -> None:
        store.end_sessions(tx, session_ids)

    async def purge(self) -> int:
        """Forget what was of no use for long; returns how many."""
        before = self._clock.now() - self._limits.token_days * _DAY_MS
        return await self._database.write(lambda tx: store.purge_tokens(tx, before, _BATCH))

    def _sealed(self, caller: Principal, device: Device) -> Token:
        token_id, now = new_id(), self._clock.now()
        return Token(
            token_id=token_id,
            token_hash=self._vault.hash(device.token),
            token_enc=self._vault.token(token_id, device.token),
            token_hint=masked(device.token),
            user_id=caller.user_id,
            session_id=caller.session_id,
            type=device.provider,
            device_id=device.device_id,
            platform=device.platform,
            keys_enc=self._keys(token_id, device),
            active=True,
            last_success_at=None,
            last_error=None,
            created_at=now,
            updated_at=now,
        )

    def _resealed(self, fresh: Token, known: Token, device: Device) -> Token:
        """Registered again by its owner: the same token with what is new about it."""
        return structs.replace(
            fresh,
            token_id=known.token_id,
            token_enc=self._vault.token(known.token_id, device.token),
            keys_enc=self._keys(known.token_id, device),
            last_success_at=known.last_success_at,
            created_at=known.created_at,
        )

    def _keys(self, token_id: str, device: Device) -> bytes | None:
        if device.provider != "webpush":
            return None
        return self._vault.keys(token_id, device.p256dh, device.auth)
