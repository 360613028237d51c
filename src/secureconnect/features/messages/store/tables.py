"""Tables about messages that are personal or belong to a conversation, not to its log."""

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table

from secureconnect.infra.database.base import METADATA

__all__ = ["hidden_messages", "mentions", "pins", "thread_followers"]

#: One row per message and mentioned member.
mentions = Table(
    "mentions",
    METADATA,
    Column("user_id", String(36), primary_key=True),
    Column("conversation_id", String(36), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("sender_id", String(36)),
    Index("mentions_conversation_id_idx", "conversation_id", "seq"),
    sqlite_with_rowid=False,
)

thread_followers = Table(
    "thread_followers",
    METADATA,
    Column("thread_root_id", String(36), primary_key=True),
    Column("user_id", String(36), primary_key=True),
    Column("conversation_id", String(36), nullable=False),
    Column("following", Boolean, nullable=False),
    Column("last_read_seq", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

hidden_messages = Table(
    "hidden_messages",
    METADATA,
    Column("user_id", String(36), primary_key=True),
    Column("message_id", String(36), primary_key=True),
    Column("conversation_id", String(36), nullable=False),
    Column("hidden_at", BigInteger, nullable=False),
    Index("hidden_messages_message_id_idx", "message_id"),
    sqlite_with_rowid=False,
)

pins = Table(
    "pins",
    METADATA,
    Column("conversation_id", String(36), primary_key=True),
    Column("message_id", String(36), primary_key=True),
    Column("pinned_by", String(36), nullable=False),
    Column("pinned_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
