"""The tables of calls (docs/reference/data.md)."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, text

from secureconnect.infra.database.base import METADATA

__all__ = ["RUNNING", "call_logs", "call_participants", "call_processes", "call_recordings", "calls"]

RUNNING = ("ringing", "active")
_RUNNING = "status IN ('ringing', 'active')"
_LOST = "state IN ('joined', 'reconnecting')"

calls = Table(
    "calls",
    METADATA,
    Column("call_id", String(36), primary_key=True),
    Column("conversation_id", String(36), nullable=False),
    Column("conversation_type", Text, nullable=False),
    Column("caller_id", String(36), nullable=False),
    Column("call_type", Text, nullable=False),
    Column("topology", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("max_participants", Integer, nullable=False),
    Column("ring_expires_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("duration", Integer, nullable=False),
    Column("end_reason", Text),
    Column("sfu_lost_at", BigInteger),
    Column("seq", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # One call at a time in a conversation.
    Index(
        "calls_conversation_id_key",
        "conversation_id",
        unique=True,
        sqlite_where=text(_RUNNING),
        postgresql_where=text(_RUNNING),
    ),
    Index("calls_status_idx", "call_id", sqlite_where=text(_RUNNING), postgresql_where=text(_RUNNING)),
    Index("calls_caller_id_idx", "caller_id"),
)

call_participants = Table(
    "call_participants",
    METADATA,
    Column("call_id", String(36), primary_key=True),
    Column("user_id", String(36), primary_key=True),
    Column("state", Text, nullable=False),
    Column("invited_at", BigInteger, nullable=False),
    Column("ring_expires_at", BigInteger, nullable=False),
    Column("session_id", String(36)),
    Column("connection_id", String(36)),
    Column("process_id", String(36)),
    Column("joined_at", BigInteger),
    Column("left_at", BigInteger),
    Column("lost_at", BigInteger),
    Column("audio_muted", Boolean, nullable=False),
    Column("video_muted", Boolean, nullable=False),
    Column("screen_sharing", Boolean, nullable=False),
    Column("hand_raised", Boolean, nullable=False),
    Column("recording", Boolean, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
    Column("rating", Integer),
    Column("rating_comment", Text),
    Index("call_participants_user_id_idx", "user_id", "call_id"),
    Index(
        "call_participants_lost_idx",
        "process_id",
        "lost_at",
        sqlite_where=text(_LOST),
        postgresql_where=text(_LOST),
    ),
    sqlite_with_rowid=False,
)

call_recordings = Table(
    "call_recordings",
    METADATA,
    Column("recording_id", String(36), primary_key=True),
    Column("call_id", String(36), nullable=False),
    Column("file_id", String(36), nullable=False),
    Column("user_id", String(36), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("call_recordings_call_id_key", "call_id", "file_id", unique=True),
    Index("call_recordings_user_id_idx", "user_id"),
)

call_logs = Table(
    "call_logs",
    METADATA,
    Column("user_id", String(36), primary_key=True),
    Column("started_at", BigInteger, primary_key=True),
    Column("call_id", String(36), primary_key=True),
    Column("conversation_id", String(36), nullable=False),
    Column("call_type", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("duration", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("quality_rating", Integer),
    sqlite_with_rowid=False,
)

#: Which processes hold signaling sockets, and when each said last that it lives.
call_processes = Table(
    "call_processes",
    METADATA,
    Column("process_id", String(36), primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
