"""The timeline's tables in a relational store (docs/reference/data.md §3)."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text, text

from secureconnect.infra.database.base import METADATA

__all__ = [
    "attachments",
    "events",
    "heads",
    "messages",
    "reactions",
    "send_dedup",
    "thread_index",
    "versions",
]

# Columns with a default in the database are those that the statement of a plain send does not name.
_NONE = text("0")

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
    Column("target_id", String(36)),
    Column("uncounted", Boolean, nullable=False, server_default=_NONE),
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
    Column("sender_name", Text),
    Column("reply_to_message_id", String(36)),
    Column("thread_root_id", String(36)),
    Column("mentions", Text),
    Column("mention_all", Boolean, nullable=False, server_default=_NONE),
    Column("mention_here", Boolean, nullable=False, server_default=_NONE),
    Column("forwarded", Boolean, nullable=False, server_default=_NONE),
    Column("silent", Boolean, nullable=False, server_default=_NONE),
    Column("pinned", Boolean, nullable=False, server_default=_NONE),
    Column("attachment_count", Integer, nullable=False, server_default=_NONE),
    Column("reaction_count", Integer, nullable=False, server_default=_NONE),
    Column("reply_count", Integer, nullable=False, server_default=_NONE),
    Column("edited_at", BigInteger),
    Column("edit_count", Integer, nullable=False, server_default=_NONE),
    Column("deleted_at", BigInteger),
    Column("deleted_by", String(36)),
    Column("delete_reason", Text),
    Column("expires_at", BigInteger),
    sqlite_with_rowid=False,
)
Index(
    "messages_expires_at_idx",
    messages.c.expires_at,
    sqlite_where=text("expires_at IS NOT NULL"),
    postgresql_where=text("expires_at IS NOT NULL"),
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

reactions = Table(
    "message_reactions",
    METADATA,
    Column("message_id", String(36), primary_key=True),
    Column("user_id", String(36), primary_key=True),
    Column("emoji", Text, primary_key=True),
    Column("reacted_at", BigInteger, nullable=False),
    Index("message_reactions_emoji_idx", "message_id", "emoji", "reacted_at", "user_id"),
    sqlite_with_rowid=False,
)

attachments = Table(
    "message_attachments",
    METADATA,
    Column("message_id", String(36), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("file_id", String(36), nullable=False),
    Column("file_name", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("file_size", BigInteger, nullable=False),
    Column("is_encrypted", Boolean, nullable=False),
    Column("has_thumbnail", Boolean, nullable=False),
    Column("available", Boolean, nullable=False),
    Column("uploaded_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: What a message said before each of its edits.
versions = Table(
    "message_versions",
    METADATA,
    Column("message_id", String(36), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("e2ee", LargeBinary),
    Column("edited_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: The replies of each thread, deleted ones too.
thread_index = Table(
    "thread_index",
    METADATA,
    Column("thread_root_id", String(36), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("message_id", String(36), nullable=False),
    Column("sender_id", String(36)),
    sqlite_with_rowid=False,
)
