"""Queries on signing keys."""

from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update

from secureconnect.features.sessions.store.tables import signing_keys
from secureconnect.infra.database.base import WriteTx

__all__ = ["KeyRow", "add_key", "keys", "retire_key"]


class KeyRow(NamedTuple):
    """A signing key; the private part is sealed."""

    kid: str
    public_key: bytes
    private_key_enc: bytes
    not_before: int
    sign_until: int
    verify_until: int


def add_key(tx: WriteTx, key: KeyRow) -> None:
    """Store a signing key."""
    tx.conn.execute(insert(signing_keys).values(key._asdict()))


def retire_key(tx: WriteTx, kid: str, sign_until: int, verify_until: int) -> None:
    """End the time in which a key signs and verifies."""
    tx.conn.execute(
        update(signing_keys)
        .where(signing_keys.c.kid == kid)
        .values(sign_until=sign_until, verify_until=verify_until)
    )


def keys(conn: Connection, now: int) -> list[KeyRow]:
    """Keys that may still verify a live token, oldest first."""
    query = select(signing_keys).where(signing_keys.c.verify_until > now).order_by(signing_keys.c.not_before)
    return [KeyRow(*row) for row in conn.execute(query)]
