"""Second factors, single sign-on, outgoing work, notifications, push, bans, exports.

A released step never changes.
"""

import sqlalchemy as sa
from alembic.operations import Operations

from secureconnect.migrations.columns import blob, count, flag, id_, number, text, time

__all__ = ["downgrade", "upgrade"]

_TABLES = (
    "exports",
    "user_bans",
    "push_deliveries",
    "push_tokens",
    "notification_preferences",
    "notification_progress",
    "notifications",
    "outbox",
    "oidc_identities",
    "passkeys",
    "mfa_recovery_codes",
    "mfa_totp",
)


def upgrade(op: Operations) -> None:
    """Create every table."""
    _second_factor(op)
    _outbox(op)
    _notices(op)
    _administration(op)


def downgrade(op: Operations) -> None:
    """Drop them."""
    op.drop_index("users_erase_at_idx", "users")
    for table in _TABLES:
        op.drop_table(table)


def _second_factor(op: Operations) -> None:
    op.create_table(
        "mfa_totp",
        id_("user_id"),
        blob("secret_enc"),
        time("confirmed_at"),
        number("last_step"),
        sa.PrimaryKeyConstraint("user_id"),
    )
    op.create_table(
        "mfa_recovery_codes",
        id_("user_id"),
        blob("code_hash"),
        time("used_at", optional=True),
        sa.PrimaryKeyConstraint("user_id", "code_hash"),
    )
    op.create_table(
        "passkeys",
        id_("passkey_id"),
        id_("user_id"),
        blob("credential_id"),
        blob("public_key"),
        number("sign_count"),
        text("name"),
        time("created_at"),
        time("last_used_at", optional=True),
        sa.PrimaryKeyConstraint("passkey_id"),
    )
    op.create_index("passkeys_credential_id_key", "passkeys", ["credential_id"], unique=True)
    op.create_index("passkeys_user_id_idx", "passkeys", ["user_id", "created_at"])
    op.create_table(
        "oidc_identities",
        text("provider"),
        text("subject"),
        id_("user_id"),
        time("created_at"),
        sa.PrimaryKeyConstraint("provider", "subject"),
    )
    op.create_index("oidc_identities_user_id_idx", "oidc_identities", ["user_id"])


def _outbox(op: Operations) -> None:
    op.create_table(
        "outbox",
        id_("job_id"),
        text("kind"),
        text("dedup_key", optional=True),
        text("payload"),
        count("attempts"),
        time("next_at"),
        time("lease_until", optional=True),
        time("expires_at"),
        text("state"),
        text("last_error", optional=True),
        time("created_at"),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_index("outbox_dedup_key_key", "outbox", ["dedup_key"], unique=True)
    op.create_index(
        "outbox_next_at_idx",
        "outbox",
        ["kind", "next_at"],
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("outbox_state_idx", "outbox", ["state", "kind", "created_at"])


def _notices(op: Operations) -> None:
    op.create_table(
        "notifications",
        id_("notification_id"),
        id_("user_id"),
        text("type"),
        text("title"),
        text("body"),
        text("data"),
        text("fold_key", optional=True),
        id_("conversation_id", optional=True),
        number("seq", optional=True),
        count("count"),
        flag("is_read"),
        flag("is_pushed"),
        time("created_at"),
        time("updated_at"),
        time("read_at", optional=True),
        sa.PrimaryKeyConstraint("notification_id"),
    )
    op.create_index(
        "notifications_user_id_idx", "notifications", ["user_id", "updated_at", "notification_id"]
    )
    # At most one unread entry takes further events of its conversation.
    op.create_index(
        "notifications_fold_key_key",
        "notifications",
        ["user_id", "fold_key"],
        unique=True,
        sqlite_where=sa.text("fold_key IS NOT NULL AND NOT is_read"),
        postgresql_where=sa.text("fold_key IS NOT NULL AND NOT is_read"),
    )
    # Reading a conversation reads what was told of it.
    op.create_index(
        "notifications_conversation_id_idx",
        "notifications",
        ["user_id", "conversation_id", "seq"],
        sqlite_where=sa.text("conversation_id IS NOT NULL AND NOT is_read"),
        postgresql_where=sa.text("conversation_id IS NOT NULL AND NOT is_read"),
    )
    op.create_index("notifications_updated_at_idx", "notifications", ["updated_at"])
    # How many are unread is told with every new entry.
    op.create_index(
        "notifications_unread_idx",
        "notifications",
        ["user_id"],
        sqlite_where=sa.text("NOT is_read"),
        postgresql_where=sa.text("NOT is_read"),
    )
    # Up to which event each conversation was told of.
    op.create_table(
        "notification_progress",
        id_("conversation_id"),
        number("seq"),
        time("at"),
        sa.PrimaryKeyConstraint("conversation_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notification_preferences",
        id_("user_id"),
        text("preferences"),
        time("updated_at"),
        sa.PrimaryKeyConstraint("user_id"),
    )
    op.create_table(
        "push_tokens",
        id_("token_id"),
        blob("token_hash"),
        blob("token_enc"),
        text("token_hint"),
        id_("user_id"),
        id_("session_id", optional=True),
        text("type"),
        text("device_id", optional=True),
        text("platform", optional=True),
        blob("keys_enc", optional=True),
        flag("active"),
        time("last_success_at", optional=True),
        text("last_error", optional=True),
        time("created_at"),
        time("updated_at"),
        sa.PrimaryKeyConstraint("token_id"),
    )
    op.create_index("push_tokens_token_hash_key", "push_tokens", ["token_hash"], unique=True)
    op.create_index("push_tokens_user_id_idx", "push_tokens", ["user_id", "created_at"])
    op.create_index("push_tokens_session_id_idx", "push_tokens", ["session_id"])
    op.create_table(
        "push_deliveries",
        id_("delivery_id"),
        id_("user_id"),
        id_("token_id"),
        text("kind"),
        text("status"),
        count("attempts"),
        text("last_error", optional=True),
        time("created_at"),
        time("updated_at"),
        sa.PrimaryKeyConstraint("delivery_id"),
    )
    op.create_index("push_deliveries_user_id_idx", "push_deliveries", ["user_id", "delivery_id"])
    op.create_index("push_deliveries_created_at_idx", "push_deliveries", ["created_at"])


def _administration(op: Operations) -> None:
    op.create_table(
        "user_bans",
        id_("ban_id"),
        id_("user_id"),
        id_("banned_by"),
        text("reason"),
        time("banned_at"),
        time("banned_until", optional=True),
        time("lifted_at", optional=True),
        id_("lifted_by", optional=True),
        sa.PrimaryKeyConstraint("ban_id"),
    )
    # One ban in force per user.
    op.create_index(
        "user_bans_user_id_key",
        "user_bans",
        ["user_id"],
        unique=True,
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "exports",
        id_("export_id"),
        id_("user_id"),
        text("status"),
        text("object_key", optional=True),
        time("created_at"),
        time("expires_at", optional=True),
        sa.PrimaryKeyConstraint("export_id"),
    )
    op.create_index("exports_user_id_idx", "exports", ["user_id", "created_at"])
    # Accounts that are to be erased, by time.
    op.create_index(
        "users_erase_at_idx",
        "users",
        ["erase_at"],
        sqlite_where=sa.text("erase_at IS NOT NULL"),
        postgresql_where=sa.text("erase_at IS NOT NULL"),
    )
