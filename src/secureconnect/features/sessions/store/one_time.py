"""Queries on single-use tokens. A token works only for the purpose that it was made for."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from secureconnect.features.sessions.store.tables import one_time_tokens
from secureconnect.infra.database.base import WriteTx

__all__ = ["OneTimeRow", "add_one_time", "count_failure", "find_one_time", "take_one_time", "void_one_time"]

c = one_time_tokens.c


class OneTimeRow(NamedTuple):
    """A live token: whom it concerns, what it carries, how often it failed."""

    user_id: str | None
    payload: str
    attempts: int


def add_one_time(
    tx: WriteTx, token_hash: bytes, purpose: str, payload: str, *, user_id: str | None, expires_at: int
) -> None:
    """Store a token."""
    tx.conn.execute(
        insert(one_time_tokens).values(
            token_hash=token_hash,
            user_id=user_id,
            purpose=purpose,
            payload=payload,
            attempts=0,
            expires_at=expires_at,
        )
    )


def find_one_time(conn: Connection, token_hash: bytes, purpose: str, now: int) -> OneTimeRow | None:
    """A live token; None for unknown, used and expired ones, and those of another purpose."""
    query = select(c.user_id, c.payload, c.attempts).where(_live(token_hash, purpose, now))
    row = conn.execute(query).first()
    return OneTimeRow(*row) if row is not None else None


def take_one_time(tx: WriteTx, token_hash: bytes, purpose: str, now: int) -> OneTimeRow | None:
    """Like `find_one_time`, and the token is used up by this (compare-and-set)."""
    taken = (
        update(one_time_tokens)
        .where(_live(token_hash, purpose, now))
        .values(used_at=now)
        .returning(c.user_id, c.payload, c.attempts)
    )
    row = tx.conn.execute(taken).first()
    return OneTimeRow(*row) if row is not None else None


def count_failure(tx: WriteTx, token_hash: bytes, purpose: str) -> None:
    """One failure more with this token."""
    tx.conn.execute(
        update(one_time_tokens)
        .where(c.token_hash == token_hash, c.purpose == purpose)
        .values(attempts=c.attempts + 1)
    )


def void_one_time(tx: WriteTx, user_id: str, purpose: str) -> None:
    """Forget the user's tokens of this purpose."""
    tx.conn.execute(delete(one_time_tokens).where(c.user_id == user_id, c.purpose == purpose))


def _live(token_hash: bytes, purpose: str, now: int) -> ColumnElement[Any]:
    return (c.token_hash == token_hash) & (c.purpose == purpose) & c.used_at.is_(None) & (c.expires_at > now)
