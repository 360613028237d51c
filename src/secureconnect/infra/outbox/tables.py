"""The table `outbox` and every query on it."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    case,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from secureconnect.infra.database.base import METADATA, WriteTx
from secureconnect.infra.outbox.base import Kind, Work

__all__ = [
    "RIDING",
    "Standing",
    "add",
    "claim",
    "fail",
    "finish",
    "forget_failed",
    "hurry",
    "merge",
    "payloads",
    "postpone",
    "release",
    "release_all",
    "remove",
    "run_again",
    "standings",
    "waiting",
]

_PENDING = text("state = 'pending'")

outbox = Table(
    "outbox",
    METADATA,
    Column("job_id", String(36), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("dedup_key", Text),
    Column("payload", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    # While a job is leased this is the end of the lease, so that one index says what is due.
    Column("next_at", BigInteger, nullable=False),
    Column("lease_until", BigInteger),
    Column("expires_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    # Of the last attempt; nothing while one runs.
    Column("last_error", Text),
    # When it was due first.
    Column("created_at", BigInteger, nullable=False),
    # The request that put it here, as a `traceparent`, while traces are kept.
    Column("origin", Text),
    Index("outbox_dedup_key_key", "dedup_key", unique=True),
    Index("outbox_next_at_idx", "kind", "next_at", sqlite_where=_PENDING, postgresql_where=_PENDING),
    Index("outbox_state_idx", "state", "kind", "created_at"),
)
_c = outbox.c

#: The first parameter is a seq; the second what follows it in the payload.
RIDING: Final = (
    "INSERT INTO outbox (payload, job_id, kind, next_at, expires_at, created_at, origin, attempts, state)"
    """ VALUES ('{"seq":' || CAST(CAST(? AS BIGINT) AS TEXT) || CAST(? AS TEXT),"""
    " ?, ?, ?, ?, ?, ?, 0, 'pending')"
)


class Standing(NamedTuple):
    """How many jobs of a kind are in a state, and when the first of them was due."""

    kind: Kind
    state: str
    jobs: int
    first: int


def add(tx: WriteTx, values: dict[str, Any]) -> None:
    """Store a new job."""
    tx.conn.execute(insert(outbox).values(**values, attempts=0, state="pending"))


def merge(tx: WriteTx, dedup_key: str, payload: str, next_at: int, expires_at: int) -> str | None:
    """Give a job to the one that waits under this key; None without one, else its id.

    One that is running keeps its place until its lease ends, but loses the lease: see `run_again`.
    """
    found = tx.conn.execute(select(_c.job_id, _c.lease_until).where(_c.dedup_key == dedup_key)).first()
    if found is None:
        return None
    values: dict[str, Any] = {"payload": payload, "expires_at": expires_at}
    if found.lease_until is not None:
        values["lease_until"] = None
    else:
        # Earlier when it may be, but not out of a back-off, and not while the loser of a lease still runs.
        sooner = (_c.attempts == 0) & (_c.next_at > next_at)
        values["next_at"] = case((sooner, next_at), else_=_c.next_at)
    tx.conn.execute(update(outbox).where(_c.job_id == found.job_id).values(values))
    return str(found.job_id)


def waiting(conn: Connection, kind: Kind, limit: int) -> list[Row[tuple[str, int]]]:
    """job_id and next_at of the first jobs of a kind."""
    query = select(_c.job_id, _c.next_at).where(_c.kind == kind, _PENDING).order_by(_c.next_at).limit(limit)
    return list(conn.execute(query))


def claim(tx: WriteTx, job_ids: Sequence[str], now: int, until: int) -> list[Work]:
    """Take those that are still due, until then."""
    taken = (
        update(outbox)
        .where(_c.job_id.in_(job_ids), _PENDING, _c.next_at <= now)
        .values(lease_until=until, next_at=until, attempts=_c.attempts + 1, last_error=None)
        .returning(_c.job_id, _c.kind, _c.payload, _c.attempts, _c.created_at, _c.expires_at, _c.origin)
    )
    return [
        Work(job_id, kind, payload.encode(), attempts, created_at, expires_at, until, origin)
        for job_id, kind, payload, attempts, created_at, expires_at, origin in tx.conn.execute(taken)
    ]


def finish(tx: WriteTx, work: Work) -> bool:
    """Remove the job; False when its lease is not ours any more."""
    return tx.conn.execute(delete(outbox).where(*_ours(work))).rowcount == 1


def postpone(tx: WriteTx, work: Work, next_at: int, reason: str) -> bool:
    """Try again then; False when its lease is not ours any more."""
    values = {"lease_until": None, "next_at": next_at, "last_error": reason}
    return tx.conn.execute(update(outbox).where(*_ours(work)).values(values)).rowcount == 1


def fail(tx: WriteTx, work: Work, now: int, reason: str) -> bool:
    """Give the job up: what it was is kept, what it carried is not. False when its lease is not ours."""
    values = {
        "state": "failed",
        "payload": "{}",
        "dedup_key": None,
        "lease_until": None,
        "next_at": now,
        "last_error": reason,
    }
    return tx.conn.execute(update(outbox).where(*_ours(work)).values(values)).rowcount == 1


def run_again(tx: WriteTx, work: Work, now: int) -> bool:
    """Make a job due that got another payload while it ran; False when that is not what happened."""
    merged = (
        update(outbox)
        .where(_c.job_id == work.job_id, _PENDING, _c.lease_until.is_(None), _c.next_at == work.lease)
        .values(next_at=now, attempts=0)
    )
    return tx.conn.execute(merged).rowcount == 1


def release(tx: WriteTx, work: Work, now: int) -> None:
    """Give back a job that was not finished; the attempt does not count."""
    values = {"lease_until": None, "next_at": now, "attempts": _c.attempts - 1}
    tx.conn.execute(update(outbox).where(*_ours(work)).values(values))


def release_all(tx: WriteTx, now: int) -> int:
    """Make due whatever was tried before, be it leased or waiting for its next turn; returns how many."""
    tried = (
        update(outbox)
        .where(_PENDING, _c.attempts > 0, _c.next_at > now)
        .values(lease_until=None, next_at=now)
    )
    return tx.conn.execute(tried).rowcount


def hurry(tx: WriteTx, kind: Kind, now: int) -> int:
    """Make due what waits for another attempt; returns how many."""
    postponed = (
        update(outbox)
        .where(_c.kind == kind, _PENDING, _c.attempts > 0, _c.next_at > now)
        .where(_c.lease_until.is_(None), _c.last_error.is_not(None))
        .values(next_at=now)
    )
    return tx.conn.execute(postponed).rowcount


def standings(conn: Connection) -> list[Standing]:
    """All jobs, counted by kind and state."""
    query = select(_c.kind, _c.state, func.count(), func.min(_c.created_at)).group_by(_c.state, _c.kind)
    return [Standing(*row) for row in conn.execute(query)]


def forget_failed(tx: WriteTx, before: int, limit: int) -> int:
    """Remove jobs given up before, at most `limit`; returns how many."""
    old = select(_c.job_id).where(_c.state == "failed", _c.next_at < before).limit(limit)
    return tx.conn.execute(delete(outbox).where(_c.job_id.in_(old))).rowcount


def payloads(conn: Connection, kind: Kind, after: str, limit: int = 500) -> list[tuple[str, str]]:
    """job_id and payload of jobs of a kind that wait or run, ascending by id, above the id `after`."""
    query = select(_c.job_id, _c.payload).where(_c.kind == kind, _PENDING, _c.job_id > after)
    return [(row[0], row[1]) for row in conn.execute(query.order_by(_c.job_id).limit(limit))]


def remove(tx: WriteTx, job_ids: Sequence[str]) -> int:
    """Remove jobs; returns how many there were."""
    return tx.conn.execute(delete(outbox).where(_c.job_id.in_(job_ids))).rowcount


def _ours(work: Work) -> tuple[Any, ...]:
    return _c.job_id == work.job_id, _PENDING, _c.lease_until == work.lease
