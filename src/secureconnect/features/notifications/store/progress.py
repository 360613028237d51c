"""Up to which event of each conversation its members were told."""

from collections.abc import Collection

from msgspec import Struct
from sqlalchemy import BigInteger, Column, Connection, String, Table, select

from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = [
    "Progress",
    "first_time",
    "open_part",
    "progress",
    "progress_among",
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
    Column("part_seq", BigInteger),
    Column("part_to", String(36)),
    sqlite_with_rowid=False,
)

_p = notification_progress.c

# These stand for the whole server. The time of the first is since when anybody is told of anything; all
# events from before that of the second were told.
_SERVER = ""
_TOLD = "*"


class Progress(Struct, frozen=True):
    """Everybody was told up to `seq`; members with ids up to `part_to` up to `part_seq`, if there is one."""

    seq: int = 0
    part_seq: int | None = None
    part_to: str = ""


def progress(conn: Connection, conversation_id: str) -> int | None:
    """The last event that everybody was told of, or None when there is none yet."""
    return conn.scalar(select(_p.seq).where(_p.conversation_id == conversation_id))


def progress_among(conn: Connection, conversation_ids: Collection[str]) -> dict[str, int]:
    """The same of several conversations; those without any are left out."""
    query = select(_p.conversation_id, _p.seq).where(_p.conversation_id.in_(conversation_ids))
    return {row[0]: row[1] for row in conn.execute(query)}


def progress_in(tx: WriteTx, conversation_id: str) -> Progress:
    """How far telling came, as this transaction sees it."""
    rows = tx.run(
        "SELECT seq, part_seq, part_to FROM notification_progress WHERE conversation_id = ?",
        (conversation_id,),
    )
    if not rows:
        return Progress()
    seq, part_seq, part_to = rows[0]
    return Progress(int(seq), part_seq, part_to or "")


def open_part(tx: WriteTx, conversation_id: str, part_seq: int, part_to: str, at: int) -> None:
    """Members with ids up to `part_to` were told up to `part_seq`; the others are told of no more than that
    before everything is remembered."""
    tx.run(
        "INSERT INTO notification_progress (conversation_id, seq, at, part_seq, part_to)"
        " VALUES (?, 0, ?, ?, ?) ON CONFLICT (conversation_id) DO UPDATE"
        " SET part_seq = excluded.part_seq, part_to = excluded.part_to",
        (conversation_id, at, part_seq, part_to),
    )


def remember(tx: WriteTx, conversation_id: str, seq: int, at: int) -> None:
    """Events up to `seq`, sent at `at` (ms), were told to everybody."""
    tx.run(
        "INSERT INTO notification_progress (conversation_id, seq, at) VALUES (?, ?, ?)"
        " ON CONFLICT (conversation_id) DO UPDATE"
        " SET seq = excluded.seq, at = excluded.at, part_seq = NULL, part_to = NULL",
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
