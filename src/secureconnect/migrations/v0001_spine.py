"""The spine: accounts, sessions, friends, conversations, audit, and the timeline.

Types: ids are `String(36)`, times milliseconds since the epoch in `BigInteger`, JSON is `Text`, hashes and
ciphertexts `LargeBinary`, every other text `Text`. Nothing has a default in the database: the stores write
every column. SQLite keeps rows that are only found by their key without a rowid: one tree instead of two.
A released step never changes; its checksum is recorded where it was applied.
"""

import sqlalchemy as sa
from alembic.operations import Operations

__all__ = ["downgrade", "upgrade"]

_ID = sa.String(36)
_TIME = sa.BigInteger()
_FLAG = sa.Boolean()
_BYTES = sa.LargeBinary()


def _id(name: str, target: str | None = None, *, optional: bool = False) -> sa.Column[str]:
    references = [sa.ForeignKey(target)] if target else []
    return sa.Column(name, _ID, *references, nullable=optional)


def _text(name: str, *, optional: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=optional)


def _time(name: str, *, optional: bool = False) -> sa.Column[int]:
    return sa.Column(name, _TIME, nullable=optional)


def _count(name: str, *, optional: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=optional)


def _seq(name: str, *, optional: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=optional)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, _FLAG, nullable=False)


def _bytes(name: str, *, optional: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, _BYTES, nullable=optional)


def upgrade(op: Operations) -> None:
    """Create every table of the spine."""
    _accounts(op)
    _people(op)
    _conversations(op)
    _service(op)
    _timeline(op)


def downgrade(op: Operations) -> None:
    """Drop them, dependants first."""
    for table in (
        "send_dedup",
        "messages",
        "timeline_events",
        "timeline_heads",
        "leases",
        "idempotency_keys",
        "audit_logs",
        "conversation_invites",
        "removed_members",
        "conversation_participants",
        "conversations",
        "blocks",
        "friendships",
        "signing_keys",
        "login_attempts",
        "one_time_tokens",
        "revoked_tokens",
        "refresh_tokens",
        "sessions",
        "users",
    ):
        op.drop_table(table)


def _accounts(op: Operations) -> None:
    op.create_table(
        "users",
        _id("user_id"),
        _text("email"),
        _time("email_verified_at", optional=True),
        _text("username"),
        _text("password_hash", optional=True),
        _text("display_name"),
        _text("about", optional=True),
        _id("avatar_file_id", optional=True),
        _text("avatar_url", optional=True),
        _text("status_text", optional=True),
        _text("role"),
        _flag("is_bot"),
        _id("owner_id", "users.user_id", optional=True),
        _text("privacy"),
        sa.Column("storage_quota", sa.BigInteger(), nullable=True),
        _text("state"),
        _time("erase_at", optional=True),
        _time("last_login_at", optional=True),
        _time("created_at"),
        _time("updated_at"),
        sa.PrimaryKeyConstraint("user_id"),
    )
    # Addresses and usernames are ASCII (RFC 5322 addr-spec, [A-Za-z0-9._-]), so lower() folds them fully.
    op.create_index("users_email_key", "users", [sa.text("lower(email)")], unique=True)
    op.create_index("users_username_key", "users", [sa.text("lower(username)")], unique=True)
    op.create_index("users_owner_id_idx", "users", ["owner_id"])

    op.create_table(
        "sessions",
        _id("session_id"),
        _id("user_id", "users.user_id"),
        _text("device_name", optional=True),
        _text("ip"),
        _text("user_agent", optional=True),
        _time("authenticated_at"),
        _time("created_at"),
        _time("last_used_at"),
        _time("expires_at"),
        _time("revoked_at", optional=True),
        _text("revoke_reason", optional=True),
        sa.PrimaryKeyConstraint("session_id"),
    )
    op.create_index("sessions_user_id_idx", "sessions", ["user_id", "last_used_at"])
    op.create_index("sessions_expires_at_idx", "sessions", ["expires_at"])

    op.create_table(
        "refresh_tokens",
        _bytes("token_hash"),
        _id("session_id", "sessions.session_id"),
        _bytes("parent_hash", optional=True),
        _time("issued_at"),
        _time("expires_at"),
        _time("used_at", optional=True),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("refresh_tokens_session_id_idx", "refresh_tokens", ["session_id"])
    op.create_index("refresh_tokens_expires_at_idx", "refresh_tokens", ["expires_at"])
    # Invariant I10: at most one unused refresh token per session.
    op.create_index(
        "refresh_tokens_unused_key",
        "refresh_tokens",
        ["session_id"],
        unique=True,
        sqlite_where=sa.text("used_at IS NULL"),
        postgresql_where=sa.text("used_at IS NULL"),
    )

    op.create_table("revoked_tokens", _id("jti"), _time("expires_at"), sa.PrimaryKeyConstraint("jti"))
    op.create_index("revoked_tokens_expires_at_idx", "revoked_tokens", ["expires_at"])

    op.create_table(
        "one_time_tokens",
        _bytes("token_hash"),
        _id("user_id", optional=True),
        _text("purpose"),
        _text("payload"),
        _count("attempts"),
        _time("expires_at"),
        _time("used_at", optional=True),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("one_time_tokens_user_id_idx", "one_time_tokens", ["user_id", "purpose"])
    op.create_index("one_time_tokens_expires_at_idx", "one_time_tokens", ["expires_at"])

    op.create_table(
        "login_attempts",
        _bytes("identifier_hash"),
        _text("ip"),
        _time("window_start"),
        _count("failures"),
        _time("locked_until", optional=True),
        sa.PrimaryKeyConstraint("identifier_hash", "ip"),
    )
    op.create_index("login_attempts_window_start_idx", "login_attempts", ["window_start"])

    op.create_table(
        "signing_keys",
        _text("kid"),
        _bytes("public_key"),
        _bytes("private_key_enc"),
        _time("not_before"),
        _time("sign_until"),
        _time("verify_until"),
        sa.PrimaryKeyConstraint("kid"),
    )


def _people(op: Operations) -> None:
    op.create_table(
        "friendships",
        _id("user_low"),
        _id("user_high"),
        _id("requested_by"),
        _text("status"),
        _time("created_at"),
        _time("updated_at"),
        sa.PrimaryKeyConstraint("user_low", "user_high"),
    )
    # The primary key finds the friends of the lower id, this one those of the higher.
    op.create_index("friendships_user_high_idx", "friendships", ["user_high", "user_low"])

    op.create_table(
        "blocks",
        _id("blocker_id"),
        _id("blocked_id"),
        _text("reason", optional=True),
        _time("created_at"),
        sa.PrimaryKeyConstraint("blocker_id", "blocked_id"),
    )
    op.create_index("blocks_blocked_id_idx", "blocks", ["blocked_id", "blocker_id"])


def _conversations(op: Operations) -> None:
    op.create_table(
        "conversations",
        _id("conversation_id"),
        _text("type"),
        _text("title", optional=True),
        _text("description", optional=True),
        _id("avatar_file_id", optional=True),
        _text("avatar_url", optional=True),
        _id("created_by"),
        _id("owner_id", optional=True),
        _text("direct_key", optional=True),
        _text("settings"),
        _count("settings_version"),
        _count("member_count"),
        _time("created_at"),
        _time("updated_at"),
        _time("deleted_at", optional=True),
        sa.PrimaryKeyConstraint("conversation_id"),
    )
    op.create_index("conversations_direct_key_key", "conversations", ["direct_key"], unique=True)
    op.create_index(
        "conversations_deleted_at_idx",
        "conversations",
        ["deleted_at"],
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )

    op.create_table(
        "conversation_participants",
        _id("conversation_id"),
        _id("user_id"),
        _text("role"),
        _time("joined_at"),
        _seq("joined_seq"),
        _seq("first_visible_seq"),
        _seq("last_read_seq"),
        _time("last_read_at", optional=True),
        _seq("last_delivered_seq"),
        _flag("archived"),
        _time("muted_until", optional=True),
        _seq("cleared_seq"),
        _flag("hidden"),
        sa.PrimaryKeyConstraint("conversation_id", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "conversation_participants_user_id_idx", "conversation_participants", ["user_id", "conversation_id"]
    )
    op.create_index(
        "conversation_participants_joined_at_idx",
        "conversation_participants",
        ["conversation_id", "joined_at", "user_id"],
    )

    op.create_table(
        "removed_members",
        _id("conversation_id"),
        _id("user_id"),
        _time("removed_at"),
        _seq("removed_seq"),
        _flag("by_admin"),
        sa.PrimaryKeyConstraint("conversation_id", "user_id"),
    )

    op.create_table(
        "conversation_invites",
        _id("invite_id"),
        _bytes("code_hash"),
        _bytes("code_enc"),
        _id("conversation_id"),
        _id("created_by"),
        _time("created_at"),
        _time("expires_at"),
        _count("max_uses", optional=True),
        _count("uses"),
        _time("revoked_at", optional=True),
        sa.PrimaryKeyConstraint("invite_id"),
    )
    op.create_index("conversation_invites_code_hash_key", "conversation_invites", ["code_hash"], unique=True)
    op.create_index(
        "conversation_invites_conversation_id_idx", "conversation_invites", ["conversation_id", "created_at"]
    )


def _service(op: Operations) -> None:
    op.create_table(
        "audit_logs",
        _id("audit_id"),
        _time("timestamp"),
        _text("event"),
        _text("result"),
        _text("reason", optional=True),
        _id("actor_id", optional=True),
        _text("actor_type"),
        _id("session_id", optional=True),
        _text("target_type", optional=True),
        _text("target_id", optional=True),
        _text("ip", optional=True),
        _text("user_agent", optional=True),
        _text("request_id", optional=True),
        _text("details"),
        sa.PrimaryKeyConstraint("audit_id"),
    )
    op.create_index("audit_logs_timestamp_idx", "audit_logs", ["timestamp", "audit_id"])
    op.create_index("audit_logs_actor_id_idx", "audit_logs", ["actor_id", "timestamp"])

    op.create_table(
        "idempotency_keys",
        _id("caller_id"),
        _text("method"),
        _text("path"),
        _text("key"),
        _bytes("body_hash"),
        _count("status", optional=True),  # absent while the first request still runs
        _bytes("response", optional=True),
        _time("created_at"),
        sa.PrimaryKeyConstraint("caller_id", "method", "path", "key"),
    )
    op.create_index("idempotency_keys_created_at_idx", "idempotency_keys", ["created_at"])

    op.create_table("leases", _text("name"), _text("holder"), _time("until"), sa.PrimaryKeyConstraint("name"))


def _timeline(op: Operations) -> None:
    op.create_table(
        "timeline_heads",
        _id("conversation_id"),
        _seq("first_seq"),
        _seq("last_seq"),
        _time("last_at"),
        _seq("message_count"),
        _seq("guard"),
        sa.PrimaryKeyConstraint("conversation_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "timeline_events",
        _id("conversation_id"),
        _seq("seq"),
        _id("event_id"),
        _text("kind"),
        _id("actor_id", optional=True),
        _time("sent_at"),
        _bytes("data"),
        sa.PrimaryKeyConstraint("conversation_id", "seq"),
        sqlite_with_rowid=False,
    )
    # A message is found by its id, which is its event's id: UUIDv7, so that new rows stand side by side. Its
    # place is in timeline_events, which also serves the reads by conversation and seq.
    op.create_table(
        "messages",
        _id("message_id"),
        _id("conversation_id"),
        _seq("seq"),
        _id("sender_id", optional=True),
        _text("client_message_id", optional=True),
        _text("content"),
        _flag("is_encrypted"),
        _text("message_type"),
        _text("metadata"),
        _bytes("e2ee", optional=True),
        _time("sent_at"),
        sa.PrimaryKeyConstraint("message_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "send_dedup",
        _id("conversation_id"),
        _id("sender_id"),
        _text("client_message_id"),
        _id("message_id"),
        _seq("seq"),
        _time("created_at"),
        sa.PrimaryKeyConstraint("conversation_id", "sender_id", "client_message_id"),
        sqlite_with_rowid=False,
    )
