"""The tables of sessions. Tokens are stored as SHA-256 only."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from secureconnect.infra.database.base import METADATA

__all__ = ["one_time_tokens", "refresh_tokens", "sessions", "signing_keys"]

sessions = Table(
    "sessions",
    METADATA,
    Column("session_id", String(36), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.user_id"), nullable=False),
    Column("device_name", Text),
    Column("ip", Text, nullable=False),
    Column("user_agent", Text),
    Column("authenticated_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("revoke_reason", Text),
    Index("sessions_user_id_idx", "user_id", "last_used_at"),
    Index("sessions_expires_at_idx", "expires_at"),
)
refresh_tokens = Table(
    "refresh_tokens",
    METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("session_id", String(36), ForeignKey("sessions.session_id"), nullable=False),
    Column("parent_hash", LargeBinary),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Index("refresh_tokens_session_id_idx", "session_id"),
    Index("refresh_tokens_expires_at_idx", "expires_at"),
    # Invariant I10: at most one unused refresh token per session.
    Index(
        "refresh_tokens_unused_key",
        "session_id",
        unique=True,
        sqlite_where=text("used_at IS NULL"),
        postgresql_where=text("used_at IS NULL"),
    ),
)
one_time_tokens = Table(
    "one_time_tokens",
    METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_id", String(36)),
    Column("purpose", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Index("one_time_tokens_user_id_idx", "user_id", "purpose"),
    Index("one_time_tokens_expires_at_idx", "expires_at"),
)
signing_keys = Table(
    "signing_keys",
    METADATA,
    Column("kid", Text, primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("private_key_enc", LargeBinary, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("sign_until", BigInteger, nullable=False),
    Column("verify_until", BigInteger, nullable=False),
)
