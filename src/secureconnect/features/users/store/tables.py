"""The tables of users."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, String, Table, Text, func, text

from secureconnect.infra.database.base import METADATA

__all__ = ["user_bans", "users"]

users = Table(
    "users",
    METADATA,
    Column("user_id", String(36), primary_key=True),
    Column("email", Text, nullable=False),
    Column("email_verified_at", BigInteger),
    Column("username", Text, nullable=False),
    Column("password_hash", Text),
    Column("display_name", Text, nullable=False),
    Column("about", Text),
    Column("avatar_file_id", String(36)),
    Column("avatar_url", Text),
    Column("status_text", Text),
    Column("role", Text, nullable=False),
    Column("is_bot", Boolean, nullable=False),
    Column("owner_id", String(36), ForeignKey("users.user_id")),
    Column("privacy", Text, nullable=False),
    Column("storage_quota", BigInteger),
    Column("state", Text, nullable=False),
    Column("erase_at", BigInteger),
    Column("last_login_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)
Index("users_email_key", func.lower(users.c.email), unique=True)
Index("users_username_key", func.lower(users.c.username), unique=True)
Index("users_owner_id_idx", users.c.owner_id)
Index(
    "users_erase_at_idx",
    users.c.erase_at,
    sqlite_where=text("erase_at IS NOT NULL"),
    postgresql_where=text("erase_at IS NOT NULL"),
)

user_bans = Table(
    "user_bans",
    METADATA,
    Column("ban_id", String(36), primary_key=True),
    Column("user_id", String(36), nullable=False),
    Column("banned_by", String(36), nullable=False),
    Column("reason", Text, nullable=False),
    Column("banned_at", BigInteger, nullable=False),
    Column("banned_until", BigInteger),
    Column("lifted_at", BigInteger),
    Column("lifted_by", String(36)),
    # One ban in force per user; one whose time is over is lifted when the next begins.
    Index(
        "user_bans_user_id_key",
        "user_id",
        unique=True,
        sqlite_where=text("lifted_at IS NULL"),
        postgresql_where=text("lifted_at IS NULL"),
    ),
)
