"""Single-use tokens for every feature that mails, challenges or hands over something."""

import secrets

from sqlalchemy import Connection

from secureconnect.features.sessions import store
from secureconnect.features.sessions.api import OneTimeToken, Purpose
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.clock import Clock

__all__ = ["OneTime"]


class OneTime:
    """Implements `sessions.api.OneTimeTokens`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def issue_in(
        self,
        tx: WriteTx,
        purpose: Purpose,
        payload: str,
        *,
        user_id: str | None,
        seconds: int,
        token: str | None = None,
    ) -> str:
        token = token or secrets.token_urlsafe(32)
        expires_at = self._clock.now() + seconds * 1000
        store.add_one_time(
            tx, store.hash_token(token), purpose, payload, user_id=user_id, expires_at=expires_at
        )
        return token

    def find_in(self, conn: Connection, purpose: Purpose, token: str) -> OneTimeToken | None:
        return _public(store.find_one_time(conn, store.hash_token(token), purpose, self._clock.now()))

    def take_in(self, tx: WriteTx, purpose: Purpose, token: str) -> OneTimeToken | None:
        return _public(store.take_one_time(tx, store.hash_token(token), purpose, self._clock.now()))

    def failed_in(self, tx: WriteTx, purpose: Purpose, token: str) -> None:
        store.count_failure(tx, store.hash_token(token), purpose)

    def void_in(self, tx: WriteTx, purpose: Purpose, user_id: str) -> None:
        store.void_one_time(tx, user_id, purpose)


def _public(row: store.OneTimeRow | None) -> OneTimeToken | None:
    return OneTimeToken(*row) if row is not None else None
