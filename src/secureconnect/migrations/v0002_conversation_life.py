"""What people do inside a conversation: edits, reactions, threads, pins, polls, files, bots.

Columns that join an existing table have a default in the database, so that rows already there, and the
statement that sends a plain message, need not name them. A released step never changes.
"""

from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations

from secureconnect.migrations.columns import blob, count, flag, id_, number, text, time

__all__ = ["downgrade", "upgrade"]

_NONE = sa.text("0")

_TABLES = (
    "reports",
    "webhooks",
    "bot_tokens",
    "file_grants",
    "storage_usage",
    "files",
    "poll_votes",
    "poll_options",
    "polls",
    "scheduled_messages",
    "hidden_messages",
    "thread_followers",
    "drafts",
    "pins",
    "mentions",
    "thread_index",
    "message_versions",
    "message_attachments",
    "message_reactions",
)


def _message_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("sender_name", sa.Text()),
        sa.Column("reply_to_message_id", sa.String(36)),
        sa.Column("thread_root_id", sa.String(36)),
        sa.Column("mentions", sa.Text()),
        sa.Column("mention_all", sa.Boolean(), nullable=False, server_default=_NONE),
        sa.Column("mention_here", sa.Boolean(), nullable=False, server_default=_NONE),
        sa.Column("forwarded", sa.Boolean(), nullable=False, server_default=_NONE),
        sa.Column("silent", sa.Boolean(), nullable=False, server_default=_NONE),
        sa.Column("pinned", sa.Boolean(), nullable=False, server_default=_NONE),
        sa.Column("attachment_count", sa.Integer(), nullable=False, server_default=_NONE),
        sa.Column("reaction_count", sa.Integer(), nullable=False, server_default=_NONE),
        sa.Column("reply_count", sa.Integer(), nullable=False, server_default=_NONE),
        sa.Column("edited_at", sa.BigInteger()),
        sa.Column("edit_count", sa.Integer(), nullable=False, server_default=_NONE),
        sa.Column("deleted_at", sa.BigInteger()),
        sa.Column("deleted_by", sa.String(36)),
        sa.Column("delete_reason", sa.Text()),
        sa.Column("expires_at", sa.BigInteger()),
    ]


def _event_columns() -> list[sa.Column[Any]]:
    return [
        # The message that an event is about, when it is not the one that it brings.
        sa.Column("target_id", sa.String(36)),
        # True for messages that count as unread no more: deleted ones.
        sa.Column("uncounted", sa.Boolean(), nullable=False, server_default=_NONE),
    ]


def _where(condition: str) -> dict[str, Any]:
    """The condition of an index over some rows, as each dialect wants it said."""
    return {f"{dialect}_where": sa.text(condition) for dialect in ("sqlite", "postgresql")}


def upgrade(op: Operations) -> None:
    """Widen the timeline, then create every new table."""
    _timeline(op)
    _personal(op)
    _polls(op)
    _files(op)
    _bots(op)


def downgrade(op: Operations) -> None:
    """Drop what `upgrade` made, dependants first."""
    for table in _TABLES:
        op.drop_table(table)
    op.drop_index("conversations_avatar_file_id_idx", "conversations")
    op.drop_index("messages_expires_at_idx", "messages")
    for table, columns in (("timeline_events", _event_columns()), ("messages", _message_columns())):
        for column in reversed(columns):
            op.drop_column(table, column.name)


def _timeline(op: Operations) -> None:
    for table, columns in (("messages", _message_columns()), ("timeline_events", _event_columns())):
        for column in columns:
            op.add_column(table, column)
    op.create_index("messages_expires_at_idx", "messages", ["expires_at"], **_where("expires_at IS NOT NULL"))
    op.create_table(
        "message_reactions",
        id_("message_id"),
        id_("user_id"),
        text("emoji"),
        time("reacted_at"),
        sa.PrimaryKeyConstraint("message_id", "user_id", "emoji"),
        sqlite_with_rowid=False,
    )
    # Counts of each emoji and who was first, without looking at all of a thousand.
    op.create_index(
        "message_reactions_emoji_idx", "message_reactions", ["message_id", "emoji", "reacted_at", "user_id"]
    )
    op.create_table(
        "message_attachments",
        id_("message_id"),
        count("position"),
        id_("file_id"),
        text("file_name"),
        text("content_type"),
        number("file_size"),
        flag("is_encrypted"),
        flag("has_thumbnail"),
        flag("available"),
        time("uploaded_at"),
        sa.PrimaryKeyConstraint("message_id", "position"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "message_versions",
        id_("message_id"),
        count("version"),
        text("content"),
        text("metadata"),
        blob("e2ee", optional=True),
        time("edited_at"),
        sa.PrimaryKeyConstraint("message_id", "version"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "thread_index",
        id_("thread_root_id"),
        number("seq"),
        id_("message_id"),
        id_("sender_id", optional=True),
        sa.PrimaryKeyConstraint("thread_root_id", "seq"),
        sqlite_with_rowid=False,
    )


def _personal(op: Operations) -> None:
    # One row per message and mentioned member; user_id '*' stands for everybody.
    op.create_table(
        "mentions",
        id_("user_id"),
        id_("conversation_id"),
        number("seq"),
        id_("sender_id", optional=True),
        sa.PrimaryKeyConstraint("user_id", "conversation_id", "seq"),
        sqlite_with_rowid=False,
    )
    op.create_index("mentions_conversation_id_idx", "mentions", ["conversation_id", "seq"])
    op.create_table(
        "pins",
        id_("conversation_id"),
        id_("message_id"),
        id_("pinned_by"),
        time("pinned_at"),
        sa.PrimaryKeyConstraint("conversation_id", "message_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "drafts",
        id_("user_id"),
        id_("conversation_id"),
        id_("thread_root_id"),  # empty for the conversation itself
        text("body"),
        time("updated_at"),
        sa.PrimaryKeyConstraint("user_id", "conversation_id", "thread_root_id"),
    )
    op.create_table(
        "thread_followers",
        id_("thread_root_id"),
        id_("user_id"),
        id_("conversation_id"),
        flag("following"),
        number("last_read_seq"),
        sa.PrimaryKeyConstraint("thread_root_id", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "hidden_messages",
        id_("user_id"),
        id_("message_id"),
        id_("conversation_id"),
        time("hidden_at"),
        sa.PrimaryKeyConstraint("user_id", "message_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("hidden_messages_message_id_idx", "hidden_messages", ["message_id"])
    op.create_table(
        "scheduled_messages",
        id_("scheduled_id"),
        id_("author_id"),
        id_("conversation_id"),
        text("body"),
        time("send_at"),
        text("status"),
        text("failure_code", optional=True),
        id_("message_id", optional=True),
        time("lease_until", optional=True),
        time("created_at"),
        sa.PrimaryKeyConstraint("scheduled_id"),
    )
    op.create_index("scheduled_messages_author_id_idx", "scheduled_messages", ["author_id", "send_at"])
    op.create_index(
        "scheduled_messages_send_at_idx", "scheduled_messages", ["send_at"], **_where("status = 'pending'")
    )


def _polls(op: Operations) -> None:
    op.create_table(
        "polls",
        id_("poll_id"),
        id_("conversation_id"),
        id_("creator_id"),
        text("question"),
        text("poll_type"),
        flag("allow_vote_change"),
        flag("anonymous"),
        flag("is_encrypted"),
        time("expires_at", optional=True),
        time("closed_at", optional=True),
        text("close_reason", optional=True),
        count("total_votes"),
        count("total_voters"),
        number("seq"),
        time("created_at"),
        time("updated_at"),
        sa.PrimaryKeyConstraint("poll_id"),
    )
    op.create_index("polls_conversation_id_idx", "polls", ["conversation_id", "seq"])
    op.create_index(
        "polls_expires_at_idx",
        "polls",
        ["expires_at"],
        **_where("expires_at IS NOT NULL AND closed_at IS NULL"),
    )
    op.create_table(
        "poll_options",
        id_("option_id"),
        id_("poll_id"),
        text("option_text"),
        text("normalised"),
        count("display_order"),
        count("vote_count"),
        sa.PrimaryKeyConstraint("option_id"),
    )
    op.create_index("poll_options_poll_id_key", "poll_options", ["poll_id", "normalised"], unique=True)
    op.create_table(
        "poll_votes",
        id_("poll_id"),
        id_("user_id"),
        id_("option_id"),
        flag("single"),
        time("voted_at"),
        sa.PrimaryKeyConstraint("poll_id", "user_id", "option_id"),
        sqlite_with_rowid=False,
    )
    # Invariant I7: a single-choice poll has at most one vote per user.
    op.create_index(
        "poll_votes_single_key", "poll_votes", ["poll_id", "user_id"], unique=True, **_where("single")
    )
    op.create_index("poll_votes_option_id_idx", "poll_votes", ["option_id", "voted_at", "user_id"])


def _files(op: Operations) -> None:
    op.create_table(
        "files",
        id_("file_id"),
        id_("owner_id"),
        text("file_name"),
        number("file_size"),
        text("content_type"),
        text("object_key"),
        flag("is_encrypted"),
        text("sha256", optional=True),
        text("status"),
        text("upload_id", optional=True),
        count("part_size", optional=True),
        flag("has_thumbnail"),
        time("expires_at", optional=True),
        time("created_at"),
        time("updated_at"),
        time("completed_at", optional=True),
        time("deleted_at", optional=True),
        sa.PrimaryKeyConstraint("file_id"),
    )
    op.create_index("files_owner_id_idx", "files", ["owner_id", "status", "file_id"])
    op.create_index("files_expires_at_idx", "files", ["expires_at"], **_where("status = 'uploading'"))
    op.create_table(
        "storage_usage",
        id_("user_id"),
        number("completed_bytes"),
        number("pending_bytes"),
        count("pending_count"),
        sa.PrimaryKeyConstraint("user_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "file_grants",
        id_("file_id"),
        id_("conversation_id"),
        id_("message_id"),
        number("seq"),
        sa.PrimaryKeyConstraint("file_id", "conversation_id", "message_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("file_grants_conversation_id_idx", "file_grants", ["conversation_id", "seq", "file_id"])
    op.create_index("file_grants_message_id_idx", "file_grants", ["message_id"])
    name, condition = "conversations_avatar_file_id_idx", "avatar_file_id IS NOT NULL"
    op.create_index(name, "conversations", ["avatar_file_id"], **_where(condition))


def _bots(op: Operations) -> None:
    op.create_table(
        "bot_tokens",
        blob("token_hash"),
        id_("token_id"),
        id_("bot_id"),
        text("scopes"),
        time("created_at"),
        time("revoked_at", optional=True),
        time("last_used_at", optional=True),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("bot_tokens_bot_id_idx", "bot_tokens", ["bot_id"])
    op.create_table(
        "webhooks",
        id_("webhook_id"),
        id_("conversation_id"),
        text("name"),
        blob("secret_hash"),
        id_("created_by"),
        time("created_at"),
        time("last_used_at", optional=True),
        time("deleted_at", optional=True),
        sa.PrimaryKeyConstraint("webhook_id"),
    )
    op.create_index("webhooks_conversation_id_idx", "webhooks", ["conversation_id", "created_at"])
    op.create_table(
        "reports",
        id_("report_id"),
        id_("reporter_id"),
        text("target_type"),
        id_("target_id"),
        text("reason"),
        text("content", optional=True),
        text("status"),
        id_("resolved_by", optional=True),
        text("action", optional=True),
        text("note", optional=True),
        time("created_at"),
        time("resolved_at", optional=True),
        sa.PrimaryKeyConstraint("report_id"),
    )
    op.create_index("reports_status_idx", "reports", ["status", "report_id"])
