"""What relational transactions decided about logs that lie in another store (invariant I4), in the table
`timeline_intents`.

A row is written in the transaction that moved the log's head, so it exists exactly when that was committed.
It holds everything that has to be written there; whoever does so may do it again (ADR 0031).
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Index, LargeBinary, String, Table, Text, func, select

from secureconnect.infra.database.base import METADATA, BatchTx, WriteTx
from secureconnect.infra.timeline.decided_heads import HeadRow

__all__ = [
    "SEND",
    "Plan",
    "bringing",
    "forget",
    "intents",
    "of_log",
    "of_log_in",
    "open_plans",
    "pending",
    "propose",
    "propose_all",
    "settle",
]

#: Of plans that bring what was sent. There are many, and nothing is kept of them.
SEND: Final = "send"

intents = Table(
    "timeline_intents",
    METADATA,
    Column("event_id", String(36), primary_key=True),
    Column("claim_id", String(36), nullable=False, unique=True),
    Column("conversation_id", String(36), nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", LargeBinary),
    Column("created_at", BigInteger, nullable=False),
    Column("done_at", BigInteger),
    Index("timeline_intents_created_at_idx", "created_at"),
    Index("timeline_intents_conversation_id_idx", "conversation_id"),
    sqlite_with_rowid=False,
)
_i = intents.c

_INSERT: Final = (
    "INSERT INTO timeline_intents (event_id, claim_id, conversation_id, kind, payload, created_at, done_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_ALL: Final = """
INSERT INTO timeline_intents (event_id, claim_id, conversation_id, kind, payload, created_at)
SELECT * FROM unnest(CAST($1 AS VARCHAR[]), CAST($2 AS VARCHAR[]), CAST($3 AS VARCHAR[]), CAST($4 AS TEXT[]),
    CAST($5 AS BYTEA[]), CAST($6 AS BIGINT[]))
    AS i(event_id, claim_id, conversation_id, kind, payload, created_at)
"""
_OF_LOG = "SELECT payload FROM timeline_intents WHERE conversation_id = ? AND payload IS NOT NULL"
_OPEN = "SELECT payload FROM timeline_intents WHERE payload IS NOT NULL"
# What a message said must not stay behind here.
_SETTLE = "UPDATE timeline_intents SET payload = NULL, done_at = ? WHERE event_id = ?"
_DROP = "DELETE FROM timeline_intents WHERE event_id = ?"
_DROP_ALL = "DELETE FROM timeline_intents WHERE event_id = ANY(CAST($1 AS VARCHAR[]))"
_FORGET = "DELETE FROM timeline_intents WHERE done_at < ?"


class Plan(msgspec.Struct, frozen=True, array_like=True):
    """A commit that is decided: the head before and after it (None: the log is gone), and what has to be
    written. `plan_id` is the first event's id, where there is one."""

    plan_id: str
    conversation_id: str
    base: HeadRow
    to: HeadRow | None
    mutations: list[tuple[str, list[Any]]]
    event_ids: tuple[str, ...]
    kind: str

    @property
    def revision(self) -> int:
        """The number of the commit in its log."""
        return self.base.revision + 1


_decoder = msgspec.msgpack.Decoder(Plan)


def propose(tx: WriteTx, plan: Plan, now: int) -> None:
    """Decide a plan together with everything else that `tx` does."""
    tx.run(_INSERT, _row(plan, now))


def propose_all(tx: BatchTx, plans: Sequence[Plan], now: int) -> None:
    """The same of many."""
    rows = [_row(plan, now) for plan in plans]
    if tx.conn.dialect.name == "sqlite":
        tx.run_many(_INSERT, rows)
    else:
        tx.run(_INSERT_ALL, tuple([row[place] for row in rows] for place in range(6)))


def _row(plan: Plan, now: int) -> tuple[Any, ...]:
    key = plan.plan_id
    return key, key, plan.conversation_id, plan.kind, msgspec.msgpack.encode(plan), now, None


def of_log_in(tx: WriteTx, conversation_id: str) -> list[Plan]:
    """The plans for one log that are not known to be done, in their order, as a transaction sees them."""
    return _plans(tx.run(_OF_LOG, (conversation_id,)))


def of_log(conn: Connection, conversation_id: str) -> list[Plan]:
    """The same for reading."""
    query = select(_i.payload).where(_i.conversation_id == conversation_id, _i.payload.is_not(None))
    return _plans(conn.execute(query).all())


def _plans(rows: Sequence[Any]) -> list[Plan]:
    return sorted((_decoder.decode(row[0]) for row in rows), key=lambda plan: plan.base.revision)


def bringing(tx: WriteTx, event_ids: Collection[str]) -> list[str]:
    """The logs into which events with these ids are on their way. Looks at every plan that is not known to be
    done."""
    plans = [_decoder.decode(row[0]) for row in tx.run(_OPEN)]
    return [plan.conversation_id for plan in plans if not set(plan.event_ids).isdisjoint(event_ids)]


def open_plans(conn: Connection, before: int, limit: int) -> list[Plan]:
    """Plans decided before `before` (ms) that nobody has noted as done, oldest first."""
    query = select(_i.payload).where(_i.done_at.is_(None), _i.created_at < before).order_by(_i.created_at)
    return [_decoder.decode(payload) for payload in conn.execute(query.limit(limit)).scalars()]


def pending(conn: Connection, before: int) -> int:
    """How many there are."""
    query = select(func.count()).select_from(intents).where(_i.done_at.is_(None), _i.created_at < before)
    return int(conn.execute(query).scalar_one())


def settle(tx: BatchTx, plans: Sequence[tuple[str, str]], now: int) -> None:
    """Note that these ids, each with its kind, are done."""
    sent = [key for key, kind in plans if kind == SEND]
    if sent and tx.conn.dialect.name == "sqlite":
        tx.run_many(_DROP, [(key,) for key in sent])
    elif sent:
        tx.run(_DROP_ALL, (sent,))
    if others := [(now, key) for key, kind in plans if kind != SEND]:
        tx.run_many(_SETTLE, others)


def forget(tx: WriteTx, before: int) -> None:
    """Remove those that were done before `before` (ms)."""
    tx.run(_FORGET, (before,))
