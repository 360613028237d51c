"""What relational transactions decided about logs in Cassandra (invariant I4), in the table
`timeline_intents`.

A row is written in the transaction whose events it holds, so it exists exactly when that was committed, and
whoever finds the claim of somebody that is gone learns here what became of it. Where there is no row, a row
of the kind `void` is left in its place: the transaction can then not be committed any more.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Index, LargeBinary, String, Table, Text, func, select
from sqlalchemy.exc import IntegrityError

from secureconnect.infra.database.base import METADATA, WriteTx
from secureconnect.infra.timeline.cassandra_head import HeadRow

__all__ = ["SEND", "Plan", "decide", "forget", "intents", "open_plans", "pending", "propose", "settle"]

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

_INSERT = (
    "INSERT INTO timeline_intents (event_id, claim_id, conversation_id, kind, payload, created_at, done_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_FIND = "SELECT payload, done_at FROM timeline_intents WHERE claim_id = ?"
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
    claim = plan.base.claim
    event_id = plan.event_ids[0] if plan.event_ids else claim
    payload = msgspec.msgpack.encode(plan)
    tx.run(_INSERT, (event_id, claim, plan.conversation_id, plan.kind, payload, now, None))


def decide(tx: WriteTx, claim: str, conversation_id: str, now: int) -> Plan | None:
    """What became of the transaction that had a claim: its plan; None when it did not and will not commit,
    or when everything is done already.
    """
    try:
        tx.run(_INSERT, (claim, claim, conversation_id, _VOID, None, now, now))
    except IntegrityError:
        rows = tx.run(_FIND, (claim,))
        payload = rows[0][0] if rows else None
        return None if payload is None else _decoder.decode(payload)
    return None


def open_plans(conn: Connection, before: int, limit: int) -> list[Plan]:
    """Plans decided before `before` (ms) that nobody has noted as done, oldest first."""
    query = select(_i.payload).where(_i.done_at.is_(None), _i.created_at < before).order_by(_i.created_at)
    return [_decoder.decode(payload) for payload in conn.execute(query.limit(limit)).scalars()]


def pending(conn: Connection, before: int) -> int:
    """How many there are."""
    query = select(func.count()).select_from(intents).where(_i.done_at.is_(None), _i.created_at < before)
    return int(conn.execute(query).scalar_one())


def settle(tx: WriteTx, plans: Sequence[tuple[str, str]], now: int) -> None:
    """Note that these, each with its kind, are done."""
    for claim, kind in plans:
        if kind == SEND:
            tx.run(_DROP, (claim,))
        else:
            tx.run(_SETTLE, (now, claim))


def forget(tx: WriteTx, before: int) -> None:
    """Remove those that were done before `before` (ms)."""
    tx.run(_FORGET, (before,))
