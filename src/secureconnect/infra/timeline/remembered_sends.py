"""Which client_message_ids were used in logs whose events lie in another store, in the table `send_dedup`.

Written under the lock of the log's head (`decided_heads`): what is not there while that is held was not sent.
"""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from secureconnect.infra.database.base import BatchTx, WriteTx
from secureconnect.infra.timeline.base import NewEvent

__all__ = [
    "SendKey",
    "find",
    "find_all",
    "forget",
    "forget_log",
    "key_of",
    "remember",
    "remember_all",
]

_KEY: Final = "conversation_id = ? AND sender_id = ? AND client_message_id = ?"
_FIND: Final = f"SELECT seq FROM send_dedup WHERE {_KEY}"  # noqa: S608
_FORGET: Final = f"DELETE FROM send_dedup WHERE {_KEY}"  # noqa: S608
_FORGET_LOG: Final = "DELETE FROM send_dedup WHERE conversation_id = ?"
_COLUMNS: Final = "conversation_id, sender_id, client_message_id, message_id, seq, created_at"
_REMEMBER: Final = f"INSERT INTO send_dedup ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608
_FIND_ALL: Final = """
SELECT d.conversation_id, d.sender_id, d.client_message_id, d.seq
FROM unnest(CAST($1 AS VARCHAR[]), CAST($2 AS VARCHAR[]), CAST($3 AS TEXT[]))
    AS s(conversation_id, sender_id, client_message_id)
JOIN send_dedup AS d ON d.conversation_id = s.conversation_id AND d.sender_id = s.sender_id
    AND d.client_message_id = s.client_message_id
"""
_REMEMBER_ALL: Final = f"""
INSERT INTO send_dedup ({_COLUMNS})
SELECT * FROM unnest(CAST($1 AS VARCHAR[]), CAST($2 AS VARCHAR[]), CAST($3 AS TEXT[]), CAST($4 AS VARCHAR[]),
    CAST($5 AS BIGINT[]), CAST($6 AS BIGINT[])) AS s({_COLUMNS})
"""  # noqa: S608


class SendKey(NamedTuple):
    """What a send has in common with one that repeats it."""

    conversation_id: str
    sender_id: str
    client_message_id: str


def key_of(event: NewEvent) -> SendKey | None:
    """None for what cannot be told from others."""
    message = event.message
    if message is None or message.client_message_id is None or message.sender_id is None:
        return None
    return SendKey(event.conversation_id, message.sender_id, message.client_message_id)


def find(tx: WriteTx, key: SendKey) -> int | None:
    """The seq of an earlier send."""
    rows = tx.run(_FIND, key)
    return rows[0][0] if rows else None


def find_all(tx: BatchTx, keys: Collection[SendKey]) -> dict[SendKey, int]:
    """The seqs of those that were sent earlier."""
    if not keys:
        return {}
    if tx.conn.dialect.name == "sqlite":
        found = ((key, find(tx, key)) for key in keys)
        return {key: seq for key, seq in found if seq is not None}
    rows = tx.run(_FIND_ALL, tuple(list(column) for column in zip(*keys, strict=True)))
    return {SendKey(*row[:3]): row[3] for row in rows}


def remember(tx: WriteTx, key: SendKey, message_id: str, seq: int, sent_at: int) -> None:
    """Note a send."""
    tx.run(_REMEMBER, (*key, message_id, seq, sent_at))


def remember_all(tx: BatchTx, sends: Sequence[tuple[str, str, str, str, int, int]]) -> None:
    """Note many: keys, each with message_id, seq and time."""
    if not sends:
        return
    if tx.conn.dialect.name == "sqlite":
        tx.run_many(_REMEMBER, sends)
    else:
        tx.run(_REMEMBER_ALL, tuple(list(column) for column in zip(*sends, strict=True)))


def forget(tx: WriteTx, key: SendKey) -> None:
    """Let the next one be a new send."""
    tx.run(_FORGET, key)


def forget_log(tx: WriteTx, conversation_id: str) -> None:
    """Forget all of a log that is gone."""
    tx.run(_FORGET_LOG, (conversation_id,))
