"""Calls.

A released step never changes.
"""

import sqlalchemy as sa
from alembic.operations import Operations

from secureconnect.migrations.columns import count, flag, id_, number, text, time

__all__ = ["downgrade", "upgrade"]

_RUNNING = "status IN ('ringing', 'active')"
_LOST = "state IN ('joined', 'reconnecting')"


def upgrade(op: Operations) -> None:
    """Create every table."""
    op.create_table(
        "calls",
        id_("call_id"),
        id_("conversation_id"),
        text("conversation_type"),
        id_("caller_id"),
        text("call_type"),
        text("topology"),
        text("status"),
        count("max_participants"),
        time("ring_expires_at"),
        time("started_at", optional=True),
        time("ended_at", optional=True),
        count("duration"),
        text("end_reason", optional=True),
        time("sfu_lost_at", optional=True),
        number("seq"),
        count("version"),
        time("created_at"),
        sa.PrimaryKeyConstraint("call_id"),
    )
    # One call at a time in a conversation.
    op.create_index(
        "calls_conversation_id_key",
        "calls",
        ["conversation_id"],
        unique=True,
        sqlite_where=sa.text(_RUNNING),
        postgresql_where=sa.text(_RUNNING),
    )
    op.create_index(
        "calls_status_idx",
        "calls",
        ["call_id"],
        sqlite_where=sa.text(_RUNNING),
        postgresql_where=sa.text(_RUNNING),
    )
    op.create_index("calls_caller_id_idx", "calls", ["caller_id"])
    op.create_table(
        "call_participants",
        id_("call_id"),
        id_("user_id"),
        text("state"),
        time("invited_at"),
        time("ring_expires_at"),
        id_("session_id", optional=True),
        id_("connection_id", optional=True),
        id_("process_id", optional=True),
        time("joined_at", optional=True),
        time("left_at", optional=True),
        time("lost_at", optional=True),
        flag("audio_muted"),
        flag("video_muted"),
        flag("screen_sharing"),
        flag("hand_raised"),
        flag("recording"),
        flag("withdrawn"),
        count("rating", optional=True),
        text("rating_comment", optional=True),
        sa.PrimaryKeyConstraint("call_id", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("call_participants_user_id_idx", "call_participants", ["user_id", "call_id"])
    op.create_index(
        "call_participants_lost_idx",
        "call_participants",
        ["process_id", "lost_at"],
        sqlite_where=sa.text(_LOST),
        postgresql_where=sa.text(_LOST),
    )
    op.create_table(
        "call_recordings",
        id_("recording_id"),
        id_("call_id"),
        id_("file_id"),
        id_("user_id"),
        time("created_at"),
        sa.PrimaryKeyConstraint("recording_id"),
    )
    op.create_index("call_recordings_call_id_key", "call_recordings", ["call_id", "file_id"], unique=True)
    op.create_index("call_recordings_user_id_idx", "call_recordings", ["user_id"])
    op.create_table(
        "call_logs",
        id_("user_id"),
        time("started_at"),
        id_("call_id"),
        id_("conversation_id"),
        text("call_type"),
        text("direction"),
        time("ended_at"),
        count("duration"),
        text("status"),
        count("quality_rating", optional=True),
        sa.PrimaryKeyConstraint("user_id", "started_at", "call_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "call_processes",
        id_("process_id"),
        time("seen_at"),
        sa.PrimaryKeyConstraint("process_id"),
        sqlite_with_rowid=False,
    )


def downgrade(op: Operations) -> None:
    """Drop them."""
    for table in ("call_processes", "call_logs", "call_recordings", "call_participants", "calls"):
        op.drop_table(table)
