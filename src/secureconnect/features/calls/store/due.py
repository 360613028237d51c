"""What time asks for: rings that nobody answers, sockets that do not come back, processes that died.

Only the running calls are looked at, which an index of their own holds.
"""

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, or_, select, update

from secureconnect.features.calls.rules import Talk
from secureconnect.features.calls.store.calls import find_many
from secureconnect.features.calls.store.tables import RUNNING, call_participants, call_processes, calls
from secureconnect.infra.database.base import WriteTx

__all__ = [
    "RunningCall",
    "abandon_all",
    "beat",
    "dead_processes",
    "drop_processes",
    "due_rings",
    "lost",
    "on_process",
    "running_after",
    "running_sfu",
    "too_long",
    "versions_of",
]

_c, _p, _n = calls.c, call_participants.c, call_processes.c
_RUNS = _c.status.in_(RUNNING)
_IN = _p.state.in_(("joined", "reconnecting"))


class RunningCall(Struct, frozen=True):
    """Where a call takes place, and who is invited; `direct`: there are no others in that conversation."""

    conversation_id: str
    direct: bool
    people: set[str]


def due_rings(conn: Connection, now: int, limit: int) -> Sequence[str]:
    """Calls with somebody whose time to answer is over."""
    query = (
        select(_c.call_id)
        .join(call_participants, _p.call_id == _c.call_id)
        .where(_RUNS, _p.state.in_(("invited", "ringing")), _p.ring_expires_at <= now)
        .distinct()
        .limit(limit)
    )
    return conn.execute(query).scalars().all()


def lost(conn: Connection, before: int, limit: int) -> Sequence[tuple[str, str, str]]:
    """Call, user and topology of each whose socket went at `before` or earlier, or never came since it joined
    then."""
    gone = _p.lost_at <= before
    never = _p.connection_id.is_(None) & _p.lost_at.is_(None) & (_p.joined_at <= before)
    query = (
        select(_p.call_id, _p.user_id, _c.topology)
        .join(calls, _c.call_id == _p.call_id)
        .where(_RUNS, _IN, or_(gone, never))
        .order_by(_p.call_id)
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in conn.execute(query)]


def too_long(conn: Connection, started_before: int, limit: int) -> Sequence[str]:
    """Calls that were answered at `started_before` or earlier."""
    query = select(_c.call_id).where(_RUNS, _c.started_at <= started_before).limit(limit)
    return conn.execute(query).scalars().all()


def running_sfu(conn: Connection, after: str, limit: int) -> Sequence[Talk]:
    """Calls through the SFU, in the order of their ids: `limit` of them, above the id `after`."""
    query = (
        select(_c.call_id)
        .where(_RUNS, _c.topology == "sfu", _c.call_id > after)
        .order_by(_c.call_id)
        .limit(limit)
    )
    found = find_many(conn, conn.execute(query).scalars().all())
    return [found[call_id] for call_id in sorted(found)]


def running_after(conn: Connection, after: str, limit: int) -> Mapping[str, RunningCall]:
    """Calls that run: `limit` of them, above the id `after`."""
    query = (
        select(_c.call_id, _c.conversation_id, _c.conversation_type)
        .where(_RUNS, _c.call_id > after)
        .order_by(_c.call_id)
        .limit(limit)
    )
    found = {row[0]: RunningCall(row[1], row[2] == "direct", set()) for row in conn.execute(query)}
    people = select(_p.call_id, _p.user_id).where(_p.call_id.in_(found), _p.withdrawn.is_(False))
    for call_id, user_id in conn.execute(people):
        found[call_id].people.add(user_id)
    return found


def versions_of(conn: Connection, call_ids: Collection[str]) -> Mapping[str, int]:
    """How often each of these calls was changed."""
    query = select(_c.call_id, _c.version).where(_c.call_id.in_(call_ids))
    return {row[0]: row[1] for row in conn.execute(query)}


def abandon_all(conn: Connection) -> int:
    """Nobody is in any call any more: to the reaper, everybody was lost long ago. Returns how many calls run.

    For a store that was just restored: the calls end with everything that belongs to an end as soon as a
    server runs on it.
    """
    running = select(_c.call_id).where(_RUNS)
    conn.execute(delete(call_processes))
    conn.execute(
        update(call_participants)
        .where(_p.call_id.in_(running), _IN)
        .values(state="reconnecting", lost_at=1, process_id=None)
    )
    return conn.execute(select(func.count()).select_from(calls).where(_RUNS)).scalar_one()


def beat(tx: WriteTx, process_id: str, now: int) -> None:
    """The process lives."""
    done = tx.conn.execute(
        update(call_processes).where(_n.process_id == process_id).values(seen_at=now)
    ).rowcount
    if not done:
        tx.conn.execute(insert(call_processes).values(process_id=process_id, seen_at=now))


def dead_processes(conn: Connection, before: int) -> Mapping[str, int]:
    """Processes that were not heard of since `before`, and when each was heard of last."""
    query = select(_n.process_id, _n.seen_at).where(_n.seen_at < before)
    return {row[0]: row[1] for row in conn.execute(query)}


def on_process(
    conn: Connection, process_id: str, limit: int, *, lost: bool = False
) -> Sequence[tuple[str, str, str]]:
    """Call, user and connection of each that takes part through a socket there: of those that are lost, or of
    the others."""
    query = (
        select(_p.call_id, _p.user_id, _p.connection_id)
        .join(calls, _c.call_id == _p.call_id)
        .where(_RUNS, _IN, _p.process_id == process_id)
        .where(_p.lost_at.is_not(None) if lost else _p.lost_at.is_(None))
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in conn.execute(query)]


def drop_processes(tx: WriteTx, process_ids: Collection[str]) -> int:
    """Forget processes that hold nothing any more."""
    return tx.conn.execute(delete(call_processes).where(_n.process_id.in_(process_ids))).rowcount
