"""Bot tokens, found by their SHA-256. A bot has one live token, until it is deleted."""

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = [
    "BotToken",
    "add_token",
    "bot_tokens",
    "find_token",
    "live_tokens",
    "purge_tokens",
    "rename_token",
    "revoke_token",
    "set_scopes",
    "touch_token",
]

bot_tokens = Table(
    "bot_tokens",
    METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("token_id", String(36), nullable=False),
    Column("bot_id", String(36), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
    Index("bot_tokens_bot_id_idx", "bot_id"),
)
_t = bot_tokens.c
_scopes = msgspec.json.Decoder(tuple[str, ...])


class BotToken(msgspec.Struct, frozen=True):
    """A token and what it allows. Times in milliseconds since the epoch.

    `token_id` stands for the token where a session id stands for a login: for open sockets and in records.
    """

    token_hash: bytes
    token_id: str
    bot_id: str
    scopes: tuple[str, ...]
    created_at: int
    revoked_at: int | None = None
    last_used_at: int | None = None


def add_token(tx: WriteTx, token: BotToken) -> None:
    """Store a new token."""
    values = {**msgspec.structs.asdict(token), "scopes": _encoded(token.scopes)}
    tx.conn.execute(insert(bot_tokens).values(values))


def find_token(conn: Connection, token_hash: bytes) -> BotToken | None:
    """A token, live or not."""
    row = conn.execute(select(bot_tokens).where(_t.token_hash == token_hash)).first()
    return _token(row) if row is not None else None


def live_tokens(conn: Connection, bot_ids: Collection[str]) -> dict[str, BotToken]:
    """The live token of each of these bots that has one."""
    rows = conn.execute(select(bot_tokens).where(_t.bot_id.in_(bot_ids), _t.revoked_at.is_(None)))
    return {row.bot_id: _token(row) for row in rows}


def revoke_token(tx: WriteTx, token_hash: bytes, now: int) -> None:
    """Let the token open nothing any more."""
    tx.conn.execute(update(bot_tokens).where(_t.token_hash == token_hash).values(revoked_at=now))


def set_scopes(tx: WriteTx, token_hash: bytes, scopes: Collection[str]) -> None:
    """Let the token allow this."""
    tx.conn.execute(
        update(bot_tokens).where(_t.token_hash == token_hash).values(scopes=_encoded(tuple(scopes)))
    )


def rename_token(tx: WriteTx, token_hash: bytes, token_id: str) -> None:
    """Give the token another id, as if its bot had logged in anew."""
    tx.conn.execute(update(bot_tokens).where(_t.token_hash == token_hash).values(token_id=token_id))


def touch_token(tx: WriteTx, token_hash: bytes, now: int) -> None:
    """Remember that the token was used."""
    tx.conn.execute(
        update(bot_tokens)
        .where(_t.token_hash == token_hash, _t.revoked_at.is_(None))
        .values(last_used_at=now)
    )


def purge_tokens(tx: WriteTx, before: int, limit: int) -> int:
    """Forget at most `limit` tokens revoked before `before` (ms); returns how many."""
    old = select(_t.token_hash).where(_t.revoked_at < before).limit(limit)
    return tx.conn.execute(delete(bot_tokens).where(_t.token_hash.in_(old))).rowcount


def _encoded(scopes: tuple[str, ...]) -> str:
    return msgspec.json.encode(scopes).decode()


def _token(row: Row[*tuple[Any, ...]]) -> BotToken:
    return BotToken(**{**row._asdict(), "scopes": _scopes.decode(row.scopes)})
