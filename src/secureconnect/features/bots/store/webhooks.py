"""Webhooks: by id and the SHA-256 of their secret."""

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = [
    "Webhook",
    "add_webhook",
    "count_webhooks",
    "delete_webhook",
    "find_webhook",
    "list_webhooks",
    "purge_webhooks",
    "set_secret",
    "touch_webhook",
    "webhooks",
]

webhooks = Table(
    "webhooks",
    METADATA,
    Column("webhook_id", String(36), primary_key=True),
    Column("conversation_id", String(36), nullable=False),
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("created_by", String(36), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Column("deleted_at", BigInteger),
    Index("webhooks_conversation_id_idx", "conversation_id", "created_at"),
)
_w = webhooks.c


class Webhook(msgspec.Struct, frozen=True):
    """A way into one conversation. Times in milliseconds since the epoch."""

    webhook_id: str
    conversation_id: str
    name: str
    secret_hash: bytes
    created_by: str
    created_at: int
    last_used_at: int | None = None
    deleted_at: int | None = None


def add_webhook(tx: WriteTx, webhook: Webhook) -> None:
    """Store a new webhook."""
    tx.conn.execute(insert(webhooks).values(msgspec.structs.asdict(webhook)))


def find_webhook(conn: Connection, webhook_id: str) -> Webhook | None:
    """A live webhook by id."""
    query = select(webhooks).where(_w.webhook_id == webhook_id, _w.deleted_at.is_(None))
    row = conn.execute(query).first()
    return Webhook(*row) if row is not None else None


def count_webhooks(conn: Connection, conversation_id: str) -> int:
    """How many live ones a conversation has."""
    query = (
        select(func.count())
        .select_from(webhooks)
        .where(_w.conversation_id == conversation_id, _w.deleted_at.is_(None))
    )
    return conn.execute(query).scalar_one()


def list_webhooks(
    conn: Connection, conversation_id: str, *, after: tuple[int, str] | None, limit: int
) -> list[Webhook]:
    """Live ones, newest first, that follow (created_at, webhook id)."""
    query = (
        select(webhooks)
        .where(_w.conversation_id == conversation_id, _w.deleted_at.is_(None))
        .order_by(_w.created_at.desc(), _w.webhook_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(
            or_(_w.created_at < after[0], and_(_w.created_at == after[0], _w.webhook_id > after[1]))
        )
    return [Webhook(*row) for row in conn.execute(query)]


def set_secret(tx: WriteTx, webhook_id: str, secret_hash: bytes) -> None:
    """Let another secret in from now on."""
    tx.conn.execute(update(webhooks).where(_w.webhook_id == webhook_id).values(secret_hash=secret_hash))


def touch_webhook(tx: WriteTx, webhook_id: str, now: int) -> None:
    """Remember that the webhook was used."""
    tx.conn.execute(update(webhooks).where(_w.webhook_id == webhook_id).values(last_used_at=now))


def delete_webhook(tx: WriteTx, webhook_id: str, now: int) -> None:
    """Let nobody in any more."""
    tx.conn.execute(update(webhooks).where(_w.webhook_id == webhook_id).values(deleted_at=now))


def purge_webhooks(tx: WriteTx, before: int, limit: int) -> int:
    """Forget at most `limit` webhooks deleted before `before` (ms); returns how many."""
    old = select(_w.webhook_id).where(_w.deleted_at < before).limit(limit)
    return tx.conn.execute(delete(webhooks).where(_w.webhook_id.in_(old))).rowcount
