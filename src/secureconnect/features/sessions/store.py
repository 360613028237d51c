"""The tables of sessions and every query on them. Tokens are stored as SHA-256 only."""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    delete,
    insert,
    or_,
    select,
    text,
    update,
)

from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = [
    "RefreshRow",
    "SessionRow",
    "add_key",
    "add_refresh_token",
    "add_session",
    "add_ticket",
    "hash_token",
    "keys",
    "live_sessions",
    "refresh_row",
    "session_state",
]

sessions = Table(
    "sessions",
    METADATA,
    Column("session_id", String(36), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.user_id"), nullable=False),
    Column("device_name", Text),
    Column("ip", Text, nullable=False),
    Column("user_agent", Text),
    Column("authenticated_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("revoke_reason", Text),
    Index("sessions_user_id_idx", "user_id", "last_used_at"),
    Index("sessions_expires_at_idx", "expires_at"),
)
refresh_tokens = Table(
    "refresh_tokens",
    METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("session_id", String(36), ForeignKey("sessions.session_id"), nullable=False),
    Column("parent_hash", LargeBinary),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Index("refresh_tokens_session_id_idx", "session_id"),
    Index("refresh_tokens_expires_at_idx", "expires_at"),
    # Invariant I10: at most one unused refresh token per session.
    Index(
        "refresh_tokens_unused_key",
        "session_id",
        unique=True,
        sqlite_where=text("used_at IS NULL"),
        postgresql_where=text("used_at IS NULL"),
    ),
)
one_time_tokens = Table(
    "one_time_tokens",
    METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_id", String(36)),
    Column("purpose", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Index("one_time_tokens_user_id_idx", "user_id", "purpose"),
    Index("one_time_tokens_expires_at_idx", "expires_at"),
)
signing_keys = Table(
    "signing_keys",
    METADATA,
    Column("kid", Text, primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("private_key_enc", LargeBinary, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("sign_until", BigInteger, nullable=False),
    Column("verify_until", BigInteger, nullable=False),
)


class RefreshRow(NamedTuple):
    """A refresh token with the session it belongs to."""

    session_id: str
    user_id: str
    used_at: int | None
    expires_at: int
    session_revoked_at: int | None


class SessionRow(NamedTuple):
    """One live session of a user."""

    session_id: str
    device_name: str | None
    ip: str
    user_agent: str | None
    created_at: int
    last_used_at: int


class KeyRow(NamedTuple):
    """A signing key; the private part is sealed."""

    kid: str
    public_key: bytes
    private_key_enc: bytes
    not_before: int
    sign_until: int
    verify_until: int


def hash_token(token: str) -> bytes:
    """What is stored of a token: its SHA-256."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def add_session(tx: WriteTx, values: dict[str, Any]) -> None:
    """Store a new session."""
    tx.conn.execute(insert(sessions).values(values))


def live_ids(conn: Connection, user_id: str, now: int) -> list[str]:
    """Ids of live sessions, the longest unused first."""
    query = (
        select(sessions.c.session_id)
        .where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None), sessions.c.expires_at > now)
        .order_by(sessions.c.last_used_at, sessions.c.session_id)
    )
    return list(conn.execute(query).scalars())


def live_sessions(
    conn: Connection, user_id: str, now: int, *, after: tuple[int, str] | None, limit: int
) -> list[SessionRow]:
    """Live sessions, the newest first, after (created_at, session_id)."""
    c = sessions.c
    query = (
        select(c.session_id, c.device_name, c.ip, c.user_agent, c.created_at, c.last_used_at)
        .where(c.user_id == user_id, c.revoked_at.is_(None), c.expires_at > now)
        .order_by(c.created_at.desc(), c.session_id.desc())
        .limit(limit)
    )
    if after is not None:
        created, session_id = after
        query = query.where(
            or_(c.created_at < created, (c.created_at == created) & (c.session_id < session_id))
        )
    return [SessionRow(*row) for row in conn.execute(query)]


def session_state(conn: Connection, session_id: str) -> Row[*tuple[Any, ...]] | None:
    """user_id, revoked_at, expires_at and authenticated_at of a session."""
    c = sessions.c
    query = select(c.user_id, c.revoked_at, c.expires_at, c.authenticated_at).where(
        c.session_id == session_id
    )
    return conn.execute(query).first()


def revoke(tx: WriteTx, session_ids: Sequence[str], reason: str, now: int) -> None:
    """Mark sessions revoked and forget what could renew them."""
    tx.conn.execute(
        update(sessions)
        .where(sessions.c.session_id.in_(session_ids), sessions.c.revoked_at.is_(None))
        .values(revoked_at=now, revoke_reason=reason)
    )


def touch(tx: WriteTx, session_id: str, values: dict[str, Any]) -> None:
    """Change columns of one session."""
    tx.conn.execute(update(sessions).where(sessions.c.session_id == session_id).values(values))


def known_address(conn: Connection, user_id: str, ip: str) -> bool:
    """Whether the user ever had a session from this address."""
    query = select(sessions.c.session_id).where(sessions.c.user_id == user_id, sessions.c.ip == ip).limit(1)
    return conn.execute(query).first() is not None


def add_refresh_token(tx: WriteTx, values: dict[str, Any]) -> None:
    """Store the hash of a new refresh token."""
    tx.conn.execute(insert(refresh_tokens).values(values))


def refresh_row(conn: Connection, token_hash: bytes) -> RefreshRow | None:
    """The token with its session."""
    query = (
        select(
            refresh_tokens.c.session_id,
            sessions.c.user_id,
            refresh_tokens.c.used_at,
            refresh_tokens.c.expires_at,
            sessions.c.revoked_at,
        )
        .join(sessions, sessions.c.session_id == refresh_tokens.c.session_id)
        .where(refresh_tokens.c.token_hash == token_hash)
    )
    row = conn.execute(query).first()
    return RefreshRow(*row) if row is not None else None


def use_refresh_token(tx: WriteTx, token_hash: bytes, now: int) -> bool:
    """Mark the token used; False when another use was faster (compare-and-set)."""
    used = (
        update(refresh_tokens)
        .where(refresh_tokens.c.token_hash == token_hash, refresh_tokens.c.used_at.is_(None))
        .values(used_at=now)
    )
    return tx.conn.execute(used).rowcount == 1


def add_ticket(tx: WriteTx, token_hash: bytes, user_id: str, payload: str, expires_at: int) -> None:
    """Store a socket ticket."""
    tx.conn.execute(
        insert(one_time_tokens).values(
            token_hash=token_hash,
            user_id=user_id,
            purpose="ws_ticket",
            payload=payload,
            attempts=0,
            expires_at=expires_at,
        )
    )


def take_ticket(tx: WriteTx, token_hash: bytes, now: int) -> str | None:
    """The payload of a live ticket, which is used up by this; None for unknown, used and expired ones."""
    c = one_time_tokens.c
    taken = (
        update(one_time_tokens)
        .where(c.token_hash == token_hash, c.purpose == "ws_ticket", c.used_at.is_(None), c.expires_at > now)
        .values(used_at=now)
        .returning(c.payload)
    )
    return tx.conn.execute(taken).scalar_one_or_none()


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


def purge(tx: WriteTx, *, before: int, tickets_before: int, limit: int) -> int:
    """Forget sessions, refresh tokens and keys that expired before `before`, and one-time tokens that expired
    before `tickets_before`, at most `limit` of each; returns how many rows."""
    tickets = select(one_time_tokens.c.token_hash).where(one_time_tokens.c.expires_at < tickets_before)
    tokens = select(refresh_tokens.c.token_hash).where(refresh_tokens.c.expires_at < before)
    old = (
        select(sessions.c.session_id)
        .where(sessions.c.expires_at < before)
        .order_by(sessions.c.expires_at, sessions.c.session_id)
        .limit(limit)
    )
    removed = 0
    for statement in (
        delete(one_time_tokens).where(one_time_tokens.c.token_hash.in_(tickets.limit(limit))),
        delete(refresh_tokens).where(refresh_tokens.c.token_hash.in_(tokens.limit(limit))),
        delete(refresh_tokens).where(refresh_tokens.c.session_id.in_(old)),
        delete(sessions).where(sessions.c.session_id.in_(old)),
        delete(signing_keys).where(signing_keys.c.verify_until < before),
    ):
        removed += tx.conn.execute(statement).rowcount
    return removed
