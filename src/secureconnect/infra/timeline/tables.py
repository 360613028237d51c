"""The timeline's tables in a relational store (docs/reference/data.md §3)."""

from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, String, Table, Text

from secureconnect.infra.database.base import METADATA

__all__ = ["events", "heads", "messages", "send_dedup"]

heads = Table(
    "timeline_heads",
    METADATA,
    Column("conversation_id", String(36), primary_key=True),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("message_count", BigInteger, nullable=False),
    Column("guard", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

events = Table(
    "timeline_events",
    METADATA,
    Column("conversation_id", String(36), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", String(36), nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor_id", String(36)),
    Column("sent_at", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

#: Always the current state. `message_id` is the event's id: one key finds a message and its event, and
#: new rows are neighbours on disk; the order of a conversation's messages is that of its events.
messages = Table(
    "messages",
    METADATA,
    Column("message_id", String(36), primary_key=True),
    Column("conversation_id", String(36), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("sender_id", String(36)),
    Column("client_message_id", Text),
    Column("content", Text, nullable=False),
    Column("is_encrypted", Boolean, nullable=False),
    Column("message_type", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("e2ee", LargeBinary),
    Column("sent_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

send_dedup = Table(
    "send_dedup",
    METADATA,
    Column("conversation_id", String(36), primary_key=True),
    Column("sender_id", String(36), primary_key=True),
    Column("client_message_id", Text, primary_key=True),
    Column("message_id", String(36), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
