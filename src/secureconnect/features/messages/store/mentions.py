"""Who is mentioned where."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select

from secureconnect.features.messages.store.tables import mentions
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import Statement

__all__ = ["EVERYBODY", "called", "mention", "mention_counts", "remention", "unmention"]

#: The user_id of a mention of all members.
EVERYBODY = "*"

_CHUNK = 200

_m = mentions.c

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
            " WITH message(seq, conversation_id, sender_id) "
            "AS (SELECT CAST(? AS BIGINT), CAST(? AS VARCHAR), CAST(? AS VARCHAR))"
            " SELECT message.seq, message.conversation_id, message.sender_id, v.column1"
            f" FROM message, (VALUES {values}) AS v"
        )
        statements.append(Statement(sql, (conversation_id, sender_id, *chunk)))
    return statements


def remention(
    tx: WriteTx,
    conversation_id: str,
    seq: int,
    sender_id: str | None,
    dropped: Collection[str],
    named: Collection[str],
) -> None:
    """The message at `seq` mentions `named` now, and `dropped` no more; nobody mentions itself."""
    tx.conn.execute(
        delete(mentions).where(
            _m.conversation_id == conversation_id, _m.seq == seq, _m.user_id.in_({*dropped, *named})
        )
    )
    rows = [
        {"user_id": user_id, "conversation_id": conversation_id, "seq": seq, "sender_id": sender_id}
        for user_id in sorted(named)
        if user_id != sender_id
    ]
    if rows:
        tx.conn.execute(insert(mentions), rows)


def unmention(tx: WriteTx, conversation_id: str, seq: int) -> None:
    """The message at `seq` mentions nobody any more."""
    tx.conn.execute(delete(mentions).where(_m.conversation_id == conversation_id, _m.seq == seq))


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


def called(conn: Connection, conversation_id: str, first: int, last: int) -> dict[int, set[str]]:
    """Whom the messages from seq `first` to `last` mention, by seq; `EVERYBODY` among them."""
    found: dict[int, set[str]] = {}
    rows = conn.execute(
        select(_m.seq, _m.user_id).where(
            _m.conversation_id == conversation_id, _m.seq >= first, _m.seq <= last
        )
    )
    for seq, user_id in rows:
        found.setdefault(seq, set()).add(user_id)
    return found
