"""The tables of this feature, with the columns of the migrations."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text, text

from secureconnect.infra.database.base import METADATA

__all__ = ["conversation_invites", "conversation_participants", "conversations", "removed_members"]

conversations = Table(
    "conversations",
    METADATA,
    Column("conversation_id", String(36), primary_key=True),
    Column("type", Text, nullable=False),
    Column("title", Text),
    Column("description", Text),
    Column("avatar_file_id", String(36)),
    Column("avatar_url", Text),
    Column("created_by", String(36), nullable=False),
    Column("owner_id", String(36)),
    Column("direct_key", Text),
    Column("settings", Text, nullable=False),
    Column("settings_version", Integer, nullable=False),
    Column("member_count", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    Index(
        "conversations_deleted_at_idx",
        "deleted_at",
        sqlite_where=text("deleted_at IS NOT NULL"),
        postgresql_where=text("deleted_at IS NOT NULL"),
    ),
    Index("conversations_direct_key_key", "direct_key", unique=True),
    Index(
        "conversations_avatar_file_id_idx",
        "avatar_file_id",
        sqlite_where=text("avatar_file_id IS NOT NULL"),
        postgresql_where=text("avatar_file_id IS NOT NULL"),
    ),
)

conversation_participants = Table(
    "conversation_participants",
    METADATA,
    Column("conversation_id", String(36), primary_key=True),
    Column("user_id", String(36), primary_key=True),
    Column("role", Text, nullable=False),
    Column("joined_at", BigInteger, nullable=False),
    Column("joined_seq", BigInteger, nullable=False),
    Column("first_visible_seq", BigInteger, nullable=False),
    Column("last_read_seq", BigInteger, nullable=False),
    Column("last_read_at", BigInteger),
    Column("last_delivered_seq", BigInteger, nullable=False),
    Column("archived", Boolean, nullable=False),
    Column("muted_until", BigInteger),
    Column("cleared_seq", BigInteger, nullable=False),
    Column("hidden", Boolean, nullable=False),
    Index("conversation_participants_user_id_idx", "user_id", "conversation_id"),
    Index("conversation_participants_joined_at_idx", "conversation_id", "joined_at", "user_id"),
    sqlite_with_rowid=False,
)

removed_members = Table(
    "removed_members",
    METADATA,
    Column("conversation_id", String(36), primary_key=True),
    Column("user_id", String(36), primary_key=True),
    Column("removed_at", BigInteger, nullable=False),
    Column("removed_seq", BigInteger, nullable=False),
    Column("by_admin", Boolean, nullable=False),
)

conversation_invites = Table(
    "conversation_invites",
    METADATA,
    Column("invite_id", String(36), primary_key=True),
    Column("code_hash", LargeBinary, nullable=False),
    Column("code_enc", LargeBinary, nullable=False),
    Column("conversation_id", String(36), nullable=False),
    Column("created_by", String(36), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("max_uses", Integer),
    Column("uses", Integer, nullable=False),
    Column("revoked_at", BigInteger),
    Index("conversation_invites_code_hash_key", "code_hash", unique=True),
    Index("conversation_invites_conversation_id_idx", "conversation_id", "created_at"),
)
