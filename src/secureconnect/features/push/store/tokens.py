"""Devices that take pushes."""

from collections.abc import Collection, Sequence

import msgspec
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from secureconnect.features.push.api import Platform, Provider
from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = [
    "Token",
    "active_tokens",
    "add_token",
    "count_active",
    "count_by_provider",
    "deactivate",
    "end_sessions",
    "find_token",
    "forget_inactive",
    "list_tokens",
    "purge_tokens",
    "remove_all",
    "remove_token",
    "token_failed",
    "token_of_hash",
    "token_worked",
]

push_tokens = Table(
    "push_tokens",
    METADATA,
    Column("token_id", String(36), primary_key=True),
    Column("token_hash", LargeBinary, nullable=False),
    Column("token_enc", LargeBinary, nullable=False),
    Column("token_hint", Text, nullable=False),
    Column("user_id", String(36), nullable=False),
    Column("session_id", String(36)),
    Column("type", Text, nullable=False),
    Column("device_id", Text),
    Column("platform", Text),
    Column("keys_enc", LargeBinary),
    Column("active", Boolean, nullable=False),
    Column("last_success_at", BigInteger),
    Column("last_error", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("push_tokens_token_hash_key", "token_hash", unique=True),
    Index("push_tokens_user_id_idx", "user_id", "created_at"),
    Index("push_tokens_session_id_idx", "session_id"),
)

_c = push_tokens.c


class Token(Struct, frozen=True, kw_only=True):
    """One device as stored: its token by hash, sealed, and as it is shown. Times in milliseconds."""

    token_id: str
    token_hash: bytes
    token_enc: bytes
    token_hint: str
    user_id: str
    session_id: str | None
    type: Provider
    device_id: str | None
    platform: Platform | None
    keys_enc: bytes | None
    active: bool
    last_success_at: int | None
    last_error: str | None
    created_at: int
    updated_at: int


_FIELDS = Token.__struct_fields__
_COLUMNS = tuple(_c[name] for name in _FIELDS)


def _token(row: Sequence[object]) -> Token:
    return msgspec.convert(dict(zip(_FIELDS, row, strict=True)), Token)


def add_token(tx: WriteTx, token: Token) -> None:
    """Store a token whose hash nobody has."""
    tx.conn.execute(insert(push_tokens).values(**msgspec.structs.asdict(token)))


def token_of_hash(conn: Connection, token_hash: bytes) -> Token | None:
    """Whoever's token it is."""
    row = conn.execute(select(*_COLUMNS).where(_c.token_hash == token_hash)).first()
    return _token(row) if row is not None else None


def find_token(conn: Connection, token_id: str) -> Token | None:
    """One token."""
    row = conn.execute(select(*_COLUMNS).where(_c.token_id == token_id)).first()
    return _token(row) if row is not None else None


def list_tokens(conn: Connection, user_id: str) -> list[Token]:
    """All of a user's, the oldest first."""
    query = select(*_COLUMNS).where(_c.user_id == user_id).order_by(_c.created_at, _c.token_id)
    return [_token(row) for row in conn.execute(query)]


def active_tokens(tx: WriteTx, user_id: str) -> list[tuple[str, Provider, str | None]]:
    """token_id, type and session_id of those that take pushes. Asked for each message and member."""
    rows = tx.run(
        "SELECT token_id, type, session_id FROM push_tokens WHERE user_id = ? AND active", (user_id,)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def count_active(conn: Connection, user_id: str) -> int:
    """How many of a user's take pushes."""
    return int(conn.scalar(select(func.count()).where(_c.user_id == user_id, _c.active)) or 0)


def count_by_provider(conn: Connection) -> dict[Provider, int]:
    """How many of all users' take pushes."""
    return {
        row[0]: row[1]
        for row in conn.execute(select(_c.type, func.count()).where(_c.active).group_by(_c.type))
    }


def remove_token(tx: WriteTx, token_id: str) -> None:
    """Forget one."""
    tx.conn.execute(delete(push_tokens).where(_c.token_id == token_id))


def remove_all(tx: WriteTx, user_id: str) -> int:
    """Forget all of a user's; returns how many."""
    return int(tx.conn.execute(delete(push_tokens).where(_c.user_id == user_id)).rowcount)


def forget_inactive(tx: WriteTx, user_id: str, kept: int) -> None:
    """Keep only the newest of those that take no pushes any more."""
    newest = (
        select(_c.token_id)
        .where(_c.user_id == user_id, _c.active.is_(False))
        .order_by(_c.updated_at.desc(), _c.token_id.desc())
        .limit(kept)
    )
    tx.conn.execute(
        delete(push_tokens).where(
            _c.user_id == user_id, _c.active.is_(False), _c.token_id.not_in(newest.scalar_subquery())
        )
    )


def end_sessions(tx: WriteTx, session_ids: Collection[str]) -> None:
    """What these sessions registered takes no pushes any more."""
    tx.conn.execute(
        update(push_tokens)
        .where(_c.session_id.in_(session_ids), _c.active)
        .values(active=False, last_error="the session has ended")
    )


def deactivate(tx: WriteTx, token_id: str, reason: str, *, unless_after: int | None) -> None:
    """This one takes no pushes any more, unless it was registered again after that time (ms)."""
    gone = update(push_tokens).where(_c.token_id == token_id)
    if unless_after is not None:
        gone = gone.where(_c.updated_at <= unless_after)
    tx.conn.execute(gone.values(active=False, last_error=reason))


def token_worked(tx: WriteTx, token_id: str, now: int) -> None:
    """A push was taken."""
    tx.run(
        "UPDATE push_tokens SET last_success_at = ?, last_error = NULL WHERE token_id = ?", (now, token_id)
    )


def token_failed(tx: WriteTx, token_id: str, reason: str) -> None:
    """A push was refused."""
    tx.run("UPDATE push_tokens SET last_error = ? WHERE token_id = ? AND active", (reason, token_id))


def purge_tokens(tx: WriteTx, before: int, limit: int) -> int:
    """Forget at most `limit` tokens of no use since that time (ms); returns how many."""
    old = list(
        tx.conn.scalars(
            select(_c.token_id)
            .where(_c.updated_at < before, func.coalesce(_c.last_success_at, 0) < before)
            .limit(limit)
        )
    )
    if old:
        tx.conn.execute(delete(push_tokens).where(_c.token_id.in_(old)))
    return len(old)
