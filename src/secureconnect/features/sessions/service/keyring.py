"""The keys that sign access tokens: Ed25519 (RFC 8037), rotated, published before their first use."""

import base64
import secrets
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from secureconnect.features.sessions import store
from secureconnect.infra.crypto.sealing import Sealer
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock

__all__ = ["KeyRing"]

_DAY_MS: Final = 24 * 3600 * 1000
_PUBLISHED_EARLY_MS: Final = 600_000
_GRACE_MS: Final = 60_000
_ASK_AT_MOST_EVERY: Final = 1.0


class KeyRing:
    """Signs with the current key and knows every key that a live token may name.

    A key signs for `rotation_days`; its successor is published 10 minutes before; it verifies for the
    lifetime of an access token and 60 s more.
    """

    def __init__(
        self, database: Database, sealer: Sealer, clock: Clock, *, rotation_days: int, access_ttl: int
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._rotation_ms = rotation_days * _DAY_MS
        self._verify_ms = access_ttl * 1000 + _GRACE_MS
        self._rows: list[store.KeyRow] = []
        self._private: dict[str, Ed25519PrivateKey] = {}
        self._public: dict[str, tuple[Ed25519PublicKey, int]] = {}
        self._asked_at = -_ASK_AT_MOST_EVERY

    async def load(self) -> None:
        """Read the keys; make the first one, or the successor of one that ends soon."""
        now = self._clock.now()

        def work(tx: WriteTx) -> list[store.KeyRow]:
            rows = store.keys(tx.conn, now)
            newest = rows[-1] if rows else None
            if newest is None or newest.sign_until < now:
                store.add_key(tx, self._new(now))
            elif newest.sign_until - _PUBLISHED_EARLY_MS <= now:
                store.add_key(tx, self._new(newest.sign_until))
            else:
                return rows
            return store.keys(tx.conn, now)

        self._take(await self._database.write(work))

    def ask_again(self) -> None:
        """There is a new key: whoever names one that is not known is worth a look."""
        self._asked_at = self._clock.monotonic() - _ASK_AT_MOST_EVERY

    async def knows_more(self, kid: str) -> bool:
        """Whether another process made the key `kid` meanwhile. Asks at most once a second.

        Raises:
            ApiError: the store cannot be asked.
        """
        now = self._clock.monotonic()
        if not kid or kid in self._public or now - self._asked_at < _ASK_AT_MOST_EVERY:
            return False
        self._asked_at = now
        read_at = self._clock.now()
        self._take(await self._database.read(lambda conn: store.keys(conn, read_at)))
        return kid in self._public

    def rotate_in(self, tx: WriteTx) -> tuple[str, int]:
        """Sign with a new key from now on; returns its id and when the previous one stops verifying (ms)."""
        now = self._clock.now()
        previous_until = now + self._verify_ms
        for row in store.keys(tx.conn, now):
            # A successor that waits for its turn has signed nothing, and never will.
            until = now if row.not_before > now else min(row.verify_until, previous_until)
            store.retire_key(tx, row.kid, now, until)
        key = self._new(now)
        store.add_key(tx, key)
        rows = store.keys(tx.conn, now)
        tx.after_commit(lambda: self._take(rows))
        return key.kid, previous_until

    def sign(self, claims: dict[str, Any]) -> str:
        """A JWT (RFC 7519) of `claims` under the current key."""
        now = self._clock.now()
        begun = [row for row in self._rows if row.not_before <= now] or self._rows
        current = [row for row in begun if now < row.sign_until] or begun
        kid = current[-1].kid
        return jwt.encode(claims, self._private[kid], algorithm="EdDSA", headers={"kid": kid})

    def public(self, kid: str) -> Ed25519PublicKey | None:
        """The key that a token names, if it may still verify."""
        known = self._public.get(kid)
        if known is None:
            return None
        key, until = known
        return key if self._clock.now() < until else None

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The published key set (RFC 7517, RFC 8037)."""
        now = self._clock.now()
        return {
            "keys": [
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "x": base64.urlsafe_b64encode(row.public_key).rstrip(b"=").decode(),
                    "kid": row.kid,
                    "use": "sig",
                    "alg": "EdDSA",
                }
                for row in self._rows
                if row.verify_until > now
            ]
        }

    def _new(self, not_before: int) -> store.KeyRow:
        private = Ed25519PrivateKey.generate()
        kid = secrets.token_urlsafe(12)
        raw = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        sign_until = not_before + self._rotation_ms
        return store.KeyRow(
            kid=kid,
            public_key=private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
            private_key_enc=self._sealer.seal(raw, f"signing_key:{kid}"),
            not_before=not_before,
            sign_until=sign_until,
            verify_until=sign_until + self._verify_ms,
        )

    def _take(self, rows: list[store.KeyRow]) -> None:
        self._rows = rows
        self._public = {
            row.kid: (Ed25519PublicKey.from_public_bytes(row.public_key), row.verify_until) for row in rows
        }
        self._private = {
            row.kid: Ed25519PrivateKey.from_private_bytes(
                self._sealer.open(row.private_key_enc, f"signing_key:{row.kid}")
            )
            for row in rows
        }
