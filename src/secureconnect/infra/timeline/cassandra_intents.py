"""What relational transactions decided about logs in Cassandra (invariant I4), in the table
`timeline_intents`.

A row is written in the transaction whose events it holds, so it exists exactly when that was committed, and
whoever finds the claim of somebody that is gone learns here what became of it. Where there is no row, a row
of the kind `void` is left in its place: the transaction can then not be committed any more.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Index, LargeBinary, String, Table, Text, func, select
from sqlalchemy.exc import IntegrityError

from secureconnect.infra.database.base import METADATA, BatchTx, WriteTx
from secureconnect.infra.timeline.cassandra_head import HeadRow

__all__ = [
    "INSERT",
    "SEND",
    "Plan",
    "bringing",
    "decide",
    "forget",
    "intent",
    "intents",
    "open_plans",
    "pending",
    "propose",
    "settle",
]

_VOID: Final = "void"
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
    sqlite_with_rowid=False,
)
_i = intents.c

#: Decides a plan; its parameters are an `intent`.
INSERT: Final = (
    "INSERT INTO timeline_intents (event_id, claim_id, conversation_id, kind, payload, created_at, done_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_FIND = "SELECT payload, done_at FROM timeline_intents WHERE claim_id = ?"
_OPEN = "SELECT payload FROM timeline_intents WHERE payload IS NOT NULL"
# What a message said must not stay behind here.
_SETTLE = "UPDATE timeline_intents SET payload = NULL, done_at = ? WHERE claim_id = ?"
_DROP = "DELETE FROM timeline_intents WHERE claim_id = ?"
_FORGET = "DELETE FROM timeline_intents WHERE done_at < ?"


class Plan(msgspec.Struct, frozen=True, array_like=True):
    """A commit that is decided: what the head becomes, and what that means for the other tables."""

    conversation_id: str
    base: HeadRow
    to: HeadRow
    mutations: list[tuple[str, list[Any]]]
    event_ids: tuple[str, ...]
    kind: str


_decoder = msgspec.msgpack.Decoder(Plan)


def propose(tx: WriteTx, plan: Plan, now: int) -> None:
    """Decide a plan together with everything else that `tx` does."""
    tx.run(INSERT, intent(plan, now))


def intent(plan: Plan, now: int) -> tuple[Any, ...]:
    """The same as the parameters of `INSERT`."""
    claim = plan.base.claim
    event_id = plan.event_ids[0] if plan.event_ids else claim
    return event_id, claim, plan.conversation_id, plan.kind, msgspec.msgpack.encode(plan), now, None


def decide(tx: WriteTx, claim: str, conversation_id: str, now: int) -> Plan | None:
    """What became of the transaction that had a claim: its plan; None when it did not and will not commit,
    or when everything is done already.
    """
    try:
        tx.run(INSERT, (claim, claim, conversation_id, _VOID, None, now, now))
    except IntegrityError:
        rows = tx.run(_FIND, (claim,))
        payload = rows[0][0] if rows else None
        return None if payload is None else _decoder.decode(payload)
    return None


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
    """Note that these, each with its kind, are done."""
    if sent := [(claim,) for claim, kind in plans if kind == SEND]:
        tx.run_many(_DROP, sent)
    if others := [(now, claim) for claim, kind in plans if kind != SEND]:
        tx.run_many(_SETTLE, others)


def forget(tx: WriteTx, before: int) -> None:
    """Remove those that were done before `before` (ms)."""
    tx.run(_FORGET, (before,))
