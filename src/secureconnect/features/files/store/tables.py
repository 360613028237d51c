"""The tables of this feature, with the columns of the migrations."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, text

from secureconnect.infra.database.base import METADATA

__all__ = ["file_grants", "files", "storage_usage"]

files = Table(
    "files",
    METADATA,
    Column("file_id", String(36), primary_key=True),
    Column("owner_id", String(36), nullable=False),
    Column("file_name", Text, nullable=False),
    Column("file_size", BigInteger, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("object_key", Text, nullable=False),
    Column("is_encrypted", Boolean, nullable=False),
    Column("sha256", Text),
    Column("status", Text, nullable=False),
    Column("upload_id", Text),
    Column("part_size", Integer),
    Column("has_thumbnail", Boolean, nullable=False),
    Column("expires_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("completed_at", BigInteger),
    Column("deleted_at", BigInteger),
    Index("files_owner_id_idx", "owner_id", "status", "file_id"),
    Index(
        "files_expires_at_idx",
        "expires_at",
        sqlite_where=text("status = 'uploading'"),
        postgresql_where=text("status = 'uploading'"),
    ),
)

#: Invariant I8: the sums over the user's files, changed in the transaction that changes a file.
storage_usage = Table(
    "storage_usage",
    METADATA,
    Column("user_id", String(36), primary_key=True),
    Column("completed_bytes", BigInteger, nullable=False),
    Column("pending_bytes", BigInteger, nullable=False),
    Column("pending_count", Integer, nullable=False),
    sqlite_with_rowid=False,
)

#: The source of "attached to": one row per file of a live message.
file_grants = Table(
    "file_grants",
    METADATA,
    Column("file_id", String(36), primary_key=True),
    Column("conversation_id", String(36), primary_key=True),
    Column("message_id", String(36), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Index("file_grants_conversation_id_idx", "conversation_id", "seq", "file_id"),
    Index("file_grants_message_id_idx", "message_id"),
    sqlite_with_rowid=False,
)
