"""Second factors as the rest of the product sees them."""

from collections.abc import Collection

from sqlalchemy import Connection

from secureconnect.features.factors import store
from secureconnect.features.factors.service.challenges import Challenges
from secureconnect.features.factors.service.changes import Changes
from secureconnect.features.sessions.api import OneTimeTokens
from secureconnect.infra.database.base import Database, WriteTx

__all__ = ["FactorService"]


class FactorService:
    """Implements `factors.api.Factors` and `users.api.FactorOwners`."""

    def __init__(
        self, database: Database, tokens: OneTimeTokens, challenges: Challenges, changes: Changes
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._challenges = challenges
        self._changes = changes

    async def having(self, user_ids: Collection[str]) -> set[str]:
        return await self._database.lookup(lambda conn: store.having(conn, user_ids))

    def having_in(self, conn: Connection, user_ids: Collection[str]) -> set[str]:
        return store.having(conn, user_ids)

    def reset_in(self, tx: WriteTx, user_id: str) -> bool:
        if not store.having(tx.conn, [user_id]):
            return False
        self._changes.reset_in(tx, user_id)
        self._forget_waiting_in(tx, user_id)
        return True

    def forget_in(self, tx: WriteTx, user_id: str) -> None:
        self._changes.cleared_in(tx, user_id)
        self._forget_waiting_in(tx, user_id)

    def passkey_names_in(self, conn: Connection, user_id: str) -> list[tuple[str, int, int | None]]:
        return [(row.name, row.created_at, row.last_used_at) for row in store.passkeys_of(conn, user_id)]

    def _forget_waiting_in(self, tx: WriteTx, user_id: str) -> None:
        self._challenges.void_in(tx, user_id)
        self._tokens.void_in(tx, "totp_setup", user_id)
