"""Calls with everybody in them: found, made, changed."""

from collections.abc import Collection, Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import astuple
from sqlalchemy import Connection, and_, func, insert, select, update

from secureconnect.features.calls.rules import CallRecord, Participant, Talk
from secureconnect.features.calls.store.tables import RUNNING, call_participants, call_recordings, calls
from secureconnect.infra.database.base import WriteTx

__all__ = [
    "CallChanged",
    "Listed",
    "add",
    "add_recording",
    "conversation_of",
    "count_running",
    "find",
    "find_many",
    "history",
    "recordings_of",
    "running_in",
    "running_of",
    "save",
    "set_rating",
    "set_seq",
]

_c, _p, _r = calls.c, call_participants.c, call_recordings.c
_CALL = tuple(CallRecord.__struct_fields__)
_PERSON = tuple(Participant.__struct_fields__)
_CALL_COLUMNS = [calls.c[name] for name in _CALL]
_PERSON_COLUMNS = [call_participants.c[name] for name in _PERSON]


class CallChanged(Exception):
    """Somebody else changed the call since it was read."""


class Listed(Struct, frozen=True):
    """A call of somebody's history."""

    talk: Talk
    direction: Literal["incoming", "outgoing"]


def find(conn: Connection, call_id: str) -> Talk | None:
    """One call."""
    return find_many(conn, [call_id]).get(call_id)


def find_many(conn: Connection, call_ids: Collection[str]) -> dict[str, Talk]:
    """Those that exist, the caller first and then everybody in the order of being called."""
    people: dict[str, dict[str, Participant]] = {}
    rows = conn.execute(
        select(_p.call_id, *_PERSON_COLUMNS)
        .where(_p.call_id.in_(call_ids))
        .order_by(_p.call_id, _p.invited_at, _p.user_id)
    )
    for row in rows:
        person = _person(row[1:])
        people.setdefault(row[0], {})[person.user_id] = person
    found = conn.execute(select(*_CALL_COLUMNS).where(_c.call_id.in_(call_ids)))
    return {row.call_id: _talk(_call(row), people.get(row.call_id, {})) for row in found}


def conversation_of(conn: Connection, call_id: str) -> str | None:
    """Where the call takes place."""
    return conn.execute(select(_c.conversation_id).where(_c.call_id == call_id)).scalar_one_or_none()


def running_in(conn: Connection, conversation_id: str) -> str | None:
    """The call that rings or goes on in a conversation."""
    query = select(_c.call_id).where(_c.conversation_id == conversation_id, _c.status.in_(RUNNING))
    return conn.execute(query).scalar_one_or_none()


def running_of(conn: Connection, user_id: str, conversation_id: str | None = None) -> list[str]:
    """Calls that ring or go on with this user in them."""
    query = (
        select(_c.call_id)
        .join(call_participants, _p.call_id == _c.call_id)
        .where(_p.user_id == user_id, _c.status.in_(RUNNING))
    )
    if conversation_id is not None:
        query = query.where(_c.conversation_id == conversation_id)
    return list(conn.execute(query).scalars())


def count_running(conn: Connection) -> int:
    """How many calls ring or go on."""
    return conn.execute(select(func.count()).select_from(calls).where(_c.status.in_(RUNNING))).scalar_one()


def add(tx: WriteTx, talk: Talk) -> None:
    """Store a new call.

    Raises:
        sqlalchemy.exc.IntegrityError: another one runs in that conversation.
    """
    tx.conn.execute(insert(calls).values(_columns(talk.call)))
    tx.conn.execute(
        insert(call_participants),
        [{"call_id": talk.call.call_id, **_columns(person)} for person in talk.people.values()],
    )


def save(tx: WriteTx, before: Talk, after: Talk) -> Talk:
    """Store what changed, and count the version up; returns the call as it is stored now.

    Raises:
        CallChanged: `before` is not what is stored.
    """
    call_id, version = before.call.call_id, before.call.version
    old, new = _columns(before.call), _columns(after.call)
    changed = {name: value for name, value in new.items() if value != old[name]}
    changed["version"] = version + 1
    done = tx.conn.execute(
        update(calls).where(_c.call_id == call_id, _c.version == version).values(changed)
    ).rowcount
    if done != 1:
        raise CallChanged
    fresh = []
    for person in after.people.values():
        known = before.people.get(person.user_id)
        if known is None:
            fresh.append({"call_id": call_id, **_columns(person)})
        elif known != person:
            old, new = _columns(known), _columns(person)
            values = {name: value for name, value in new.items() if value != old[name]}
            tx.conn.execute(
                update(call_participants)
                .where(_p.call_id == call_id, _p.user_id == person.user_id)
                .values(values)
            )
    if fresh:
        tx.conn.execute(insert(call_participants), fresh)
    return Talk(CallRecord(**{**_columns(after.call), "version": version + 1}), after.people)


def history(
    conn: Connection,
    user_id: str,
    *,
    conversation_id: str | None,
    status: str | None,
    direction: str | None,
    before: str | None,
    limit: int,
) -> list[Listed]:
    """Calls that the user made or was called in, newest first, with ids below `before`."""
    query = (
        select(_c.call_id, _c.caller_id)
        .join(call_participants, and_(_p.call_id == _c.call_id, _p.user_id == user_id))
        .order_by(_p.call_id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(_p.call_id < before)
    if conversation_id is not None:
        query = query.where(_c.conversation_id == conversation_id)
    if status is not None:
        query = query.where(_c.status == status)
    if direction is not None:
        made = _c.caller_id == user_id
        query = query.where(made if direction == "outgoing" else _c.caller_id != user_id)
    rows = conn.execute(query).all()
    found = find_many(conn, [row[0] for row in rows])
    return [Listed(found[row[0]], "outgoing" if row[1] == user_id else "incoming") for row in rows]


def set_rating(tx: WriteTx, call_id: str, user_id: str, rating: int, comment: str | None) -> None:
    """How it was for one participant; the last value counts."""
    tx.conn.execute(
        update(call_participants)
        .where(_p.call_id == call_id, _p.user_id == user_id)
        .values(rating=rating, rating_comment=comment)
    )


def set_seq(tx: WriteTx, call_id: str, seq: int) -> None:
    """Where its `call_started` stands; nothing that a change of the call looks at."""
    tx.conn.execute(update(calls).where(_c.call_id == call_id).values(seq=seq))


def add_recording(tx: WriteTx, recording_id: str, call_id: str, file_id: str, user_id: str, now: int) -> str:
    """Remember that a file is a recording of a call; returns its id, the first one's if it was known."""
    known = tx.conn.execute(
        select(_r.recording_id).where(_r.call_id == call_id, _r.file_id == file_id)
    ).scalar_one_or_none()
    if known is not None:
        return str(known)
    tx.conn.execute(
        insert(call_recordings).values(
            recording_id=recording_id, call_id=call_id, file_id=file_id, user_id=user_id, created_at=now
        )
    )
    return recording_id


def recordings_of(conn: Connection, call_id: str) -> Sequence[tuple[str, str, int]]:
    """Recording id, file id and time of each, oldest first."""
    query = (
        select(_r.recording_id, _r.file_id, _r.created_at)
        .where(_r.call_id == call_id)
        .order_by(_r.created_at, _r.recording_id)
    )
    return [(row[0], row[1], row[2]) for row in conn.execute(query)]


def _talk(call: CallRecord, people: dict[str, Participant]) -> Talk:
    caller = people.get(call.caller_id)
    return Talk(call, {caller.user_id: caller, **people} if caller is not None else people)


def _columns(record: CallRecord | Participant) -> dict[str, Any]:
    return dict(zip(record.__struct_fields__, astuple(record), strict=True))


def _call(row: Any) -> CallRecord:
    return CallRecord(**dict(zip(_CALL, row, strict=True)))


def _person(row: Any) -> Participant:
    return Participant(**dict(zip(_PERSON, row, strict=True)))
