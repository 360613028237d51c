"""Up to which event of each conversation its members were told."""

from sqlalchemy import BigInteger, Column, Connection, String, Table, select

from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = [
    "first_time",
    "progress",
    "progress_in",
    "remember",
    "set_first_time",
    "set_told_time",
    "told_time",
]

notification_progress = Table(
    "notification_progress",
    METADATA,
    Column("conversation_id", String(36), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

_p = notification_progress.c

# These stand for the whole server. The time of the first is since when anybody is told of anything; all
# events from before that of the second were told.
_SERVER = ""
_TOLD = "*"


def progress(conn: Connection, conversation_id: str) -> int | None:
    """The last event that was told, or None when none was yet."""
    return conn.scalar(select(_p.seq).where(_p.conversation_id == conversation_id))


def progress_in(tx: WriteTx, conversation_id: str) -> int:
    """The same in a transaction; 0 when nothing was told yet."""
    rows = tx.run("SELECT seq FROM notification_progress WHERE conversation_id = ?", (conversation_id,))
    return int(rows[0][0]) if rows else 0


def remember(tx: WriteTx, conversation_id: str, seq: int, at: int) -> None:
    """Events up to `seq`, sent at `at` (ms), were told."""
    tx.run(
        "INSERT INTO notification_progress (conversation_id, seq, at) VALUES (?, ?, ?)"
        " ON CONFLICT (conversation_id) DO UPDATE SET seq = excluded.seq, at = excluded.at",
        (conversation_id, seq, at),
    )


def first_time(conn: Connection) -> int | None:
    """Since when (ms) users of this server are told; None before the first start."""
    return conn.scalar(select(_p.at).where(_p.conversation_id == _SERVER))


def set_first_time(tx: WriteTx, at: int) -> None:
    """Users are told from now on."""
    remember(tx, _SERVER, 0, at)


def told_time(conn: Connection) -> int | None:
    """Everything that was committed before this time (ms) was told."""
    return conn.scalar(select(_p.at).where(_p.conversation_id == _TOLD))


def set_told_time(tx: WriteTx, at: int) -> None:
    """Everything that was committed before `at` (ms) was told."""
    remember(tx, _TOLD, 0, at)
