"""Queries on sessions and their refresh tokens."""

import hashlib
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from secureconnect.features.sessions.store.tables import (
    one_time_tokens,
    refresh_tokens,
    sessions,
    signing_keys,
)
from secureconnect.infra.database.base import WriteTx

__all__ = [
    "RefreshRow",
    "SessionRow",
    "active_users",
    "add_refresh_token",
    "add_session",
    "any_session",
    "count_live",
    "hash_token",
    "known_address",
    "known_device",
    "live_ids",
    "live_sessions",
    "purge",
    "refresh_row",
    "revoke",
    "revoked_among",
    "session_state",
    "touch",
    "use_refresh_token",
]


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


def hash_token(token: str) -> bytes:
    """What is stored of a token: its SHA-256."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def add_session(tx: WriteTx, values: dict[str, Any]) -> None:
    """Store a new session."""
    tx.conn.execute(insert(sessions).values(values))


def count_live(conn: Connection, now: int) -> int:
    """How many sessions of anybody are live."""
    query = select(func.count()).select_from(sessions)
    return int(
        conn.execute(query.where(sessions.c.revoked_at.is_(None), sessions.c.expires_at > now)).scalar_one()
    )


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


def revoked_among(conn: Connection, session_ids: Collection[str]) -> dict[str, str | None]:
    """The reason for each of these sessions that was revoked, None for one that is forgotten."""
    c = sessions.c
    rows = conn.execute(
        select(c.session_id, c.revoked_at, c.revoke_reason).where(c.session_id.in_(session_ids))
    )
    found = {session_id: (at, reason) for session_id, at, reason in rows}
    return {
        session_id: found[session_id][1] if session_id in found else None
        for session_id in session_ids
        if session_id not in found or found[session_id][0] is not None
    }


def touch(tx: WriteTx, session_id: str, values: dict[str, Any]) -> None:
    """Change columns of one session."""
    tx.conn.execute(update(sessions).where(sessions.c.session_id == session_id).values(values))


def active_users(conn: Connection, since: int) -> int:
    """How many users have a session that was used at `since` or later."""
    users = select(func.count(sessions.c.user_id.distinct())).where(sessions.c.last_used_at >= since)
    return int(conn.execute(users).scalar_one())


def known_address(conn: Connection, user_id: str, ip: str) -> bool:
    """Whether the user ever had a session from this address."""
    query = select(sessions.c.session_id).where(sessions.c.user_id == user_id, sessions.c.ip == ip).limit(1)
    return conn.execute(query).first() is not None


def known_device(conn: Connection, user_id: str, device_name: str | None, user_agent: str | None) -> bool:
    """Whether the user ever had a session on a device that calls itself so."""
    c = sessions.c
    query = select(c.session_id).where(
        c.user_id == user_id,
        c.device_name.is_not_distinct_from(device_name),
        c.user_agent.is_not_distinct_from(user_agent),
    )
    return conn.execute(query.limit(1)).first() is not None


def any_session(conn: Connection, user_id: str) -> bool:
    """Whether the user ever had a session that is not forgotten yet."""
    return (
        conn.execute(select(sessions.c.session_id).where(sessions.c.user_id == user_id).limit(1)).first()
        is not None
    )


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
