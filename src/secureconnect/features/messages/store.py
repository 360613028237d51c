"""Tables and queries about messages that are personal or belong to a conversation, not to its log."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    String,
    Table,
    bindparam,
    select,
)

from secureconnect.infra.database.base import METADATA
from secureconnect.infra.timeline.base import Statement

__all__ = [
    "EVERYBODY",
    "follow",
    "hidden_among",
    "hidden_messages",
    "mention",
    "mention_counts",
    "mentions",
    "thread_followers",
]

#: The user_id of a mention of all members.
EVERYBODY = "*"

_CHUNK = 200

#: One row per message and mentioned member.
mentions = Table(
    "mentions",
    METADATA,
    Column("user_id", String(36), primary_key=True),
    Column("conversation_id", String(36), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("sender_id", String(36)),
    Index("mentions_conversation_id_idx", "conversation_id", "seq"),
    sqlite_with_rowid=False,
)

thread_followers = Table(
    "thread_followers",
    METADATA,
    Column("thread_root_id", String(36), primary_key=True),
    Column("user_id", String(36), primary_key=True),
    Column("conversation_id", String(36), nullable=False),
    Column("following", Boolean, nullable=False),
    Column("last_read_seq", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

hidden_messages = Table(
    "hidden_messages",
    METADATA,
    Column("user_id", String(36), primary_key=True),
    Column("message_id", String(36), primary_key=True),
    Column("conversation_id", String(36), nullable=False),
    Column("hidden_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

_m, _h = mentions.c, hidden_messages.c

_COUNTED = select(_m.conversation_id, _m.seq, _m.sender_id).where(
    _m.user_id.in_(bindparam("users", expanding=True)),
    _m.conversation_id.in_(bindparam("ids", expanding=True)),
)


def mention(conversation_id: str, sender_id: str | None, user_ids: Sequence[str]) -> list[Statement]:
    """Note that a message mentions these users; rides in its append."""
    statements = []
    for start in range(0, len(user_ids), _CHUNK):
        chunk = user_ids[start : start + _CHUNK]
        values = ", ".join("(?)" for _ in chunk)
        sql = (
            "INSERT INTO mentions (seq, conversation_id, sender_id, user_id)"  # noqa: S608 - placeholders only
            " WITH message(seq, conversation_id, sender_id) AS (SELECT ?, ?, ?)"
            " SELECT message.seq, message.conversation_id, message.sender_id, v.column1"
            f" FROM message, (VALUES {values}) AS v"
        )
        statements.append(Statement(sql, (conversation_id, sender_id, *chunk)))
    return statements


def follow(conversation_id: str, root_id: str, user_ids: Collection[str]) -> list[Statement]:
    """These users follow a thread from now on, unless they said otherwise before; rides in an append.

    Replies up to the new one's predecessor count as read: who comes later is not told of old ones.
    """
    values = ", ".join("(?)" for _ in user_ids)
    sql = (
        "INSERT INTO thread_followers (last_read_seq, conversation_id, thread_root_id, user_id, following)"  # noqa: S608 - placeholders only
        " WITH reply(seq, conversation_id, root_id) AS (SELECT ?, ?, ?)"
        " SELECT reply.seq - 1, reply.conversation_id, reply.root_id, v.column1, TRUE"
        f" FROM reply, (VALUES {values}) AS v WHERE TRUE ON CONFLICT DO NOTHING"
    )
    return [Statement(sql, (conversation_id, root_id, *user_ids))]


def mention_counts(conn: Connection, user_id: str, marks: Mapping[str, int], cap: int) -> dict[str, int]:
    """Messages above the mark of each conversation that mention the user and come from somebody else."""
    found: dict[str, set[int]] = {}
    ids = list(marks)
    lowest = min(marks.values(), default=0)
    for start in range(0, len(ids), _CHUNK):
        rows = conn.execute(
            _COUNTED.where(_m.seq > lowest),
            {"users": [user_id, EVERYBODY], "ids": ids[start : start + _CHUNK]},
        )
        for conversation_id, seq, sender_id in rows:
            if seq > marks[conversation_id] and sender_id != user_id:
                found.setdefault(conversation_id, set()).add(seq)
    return {conversation_id: min(len(seqs), cap) for conversation_id, seqs in found.items()}


def hidden_among(conn: Connection, user_id: str, message_ids: Collection[str]) -> set[str]:
    """Those of `message_ids` that the user deleted for itself."""
    if not message_ids:
        return set()
    ids = list(message_ids)
    return {
        message_id
        for start in range(0, len(ids), _CHUNK)
        for message_id in conn.scalars(
            select(_h.message_id).where(_h.user_id == user_id, _h.message_id.in_(ids[start : start + _CHUNK]))
        )
    }
