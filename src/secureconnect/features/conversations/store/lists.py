"""Lists, by stable keys; a page is read with one statement."""

from collections.abc import Collection
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, or_, select

from secureconnect.features.conversations.api import Audience, Listener, Member, Reader, Role, Type
from secureconnect.features.conversations.store.records import (
    MEMBER,
    RECORD,
    Record,
    Seat,
    member_of,
    record_of,
)
from secureconnect.features.conversations.store.tables import (
    conversation_participants,
    conversations,
)
from secureconnect.infra.database.base import WriteTx

__all__ = [
    "Archived",
    "Candidate",
    "ParticipantRow",
    "audience",
    "candidates",
    "first_members",
    "list_participants",
    "list_seats",
    "overview_seats",
    "participant",
    "readers",
]

Archived = Literal["true", "false", "all"]

_C = conversations.c
_P = conversation_participants.c
_ALL = 2**31 - 1
_NAMED = 3  # members whose names make up the name of a group without title


class Candidate(NamedTuple):
    """What a conversation is called, before the names of people are known."""

    conversation_id: str
    title: str | None
    direct_key: str | None
    updated_at: int


class ParticipantRow(NamedTuple):
    """A member as others see it."""

    user_id: str
    role: Role
    joined_at: int
    last_read_seq: int


def list_seats(
    conn: Connection,
    user_id: str,
    *,
    archived: Archived,
    type_: Type | None,
    after: tuple[int, str] | None,
    offset: int,
    limit: int,
) -> list[Seat]:
    """The user's conversations that are not hidden, newest first, that follow (updated_at, id)."""
    query = (
        _listed(select(*RECORD, *MEMBER), user_id, archived, type_)
        .order_by(_C.updated_at.desc(), _C.conversation_id.desc())
        .offset(offset)
        .limit(limit)
    )
    if after is not None:
        query = query.where(
            or_(
                _C.updated_at < after[0],
                and_(_C.updated_at == after[0], _C.conversation_id < after[1]),
            )
        )
    return [_seat(row) for row in conn.execute(query)]


def candidates(conn: Connection, user_id: str, *, archived: Archived, type_: Type | None) -> list[Candidate]:
    """All of them, newest first, with what they are called."""
    columns = select(_C.conversation_id, _C.title, _C.direct_key, _C.updated_at)
    query = _listed(columns, user_id, archived, type_)
    query = query.order_by(_C.updated_at.desc(), _C.conversation_id.desc())
    return [Candidate(*row) for row in conn.execute(query)]


def overview_seats(conn: Connection, user_id: str, *, after: str | None, limit: int) -> list[Seat]:
    """Every conversation of the user, ascending by id, above `after`."""
    query = (
        select(*RECORD, *MEMBER)
        .join_from(conversation_participants, conversations, _C.conversation_id == _P.conversation_id)
        .where(_P.user_id == user_id)
        .order_by(_P.conversation_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(_P.conversation_id > after)
    return [_seat(row) for row in conn.execute(query)]


def first_members(conn: Connection, conversation_ids: Collection[str], but: str) -> dict[str, list[str]]:
    """The first members of each group that are not `but`: those that joined first, then by id."""
    if not conversation_ids:
        return {}
    other = conversation_participants.alias("other")

    def nth(place: int) -> ColumnElement[str]:
        return (
            select(other.c.user_id)
            .where(other.c.conversation_id == _C.conversation_id, other.c.user_id != but)
            .order_by(other.c.joined_at, other.c.user_id)
            .limit(1)
            .offset(place)
            .scalar_subquery()
        )

    query = select(_C.conversation_id, *(nth(place) for place in range(_NAMED))).where(
        _C.conversation_id.in_(conversation_ids)
    )
    return {row[0]: [user_id for user_id in row[1:] if user_id is not None] for row in conn.execute(query)}


def list_participants(
    conn: Connection, conversation_id: str, *, after: tuple[int, str] | None, limit: int
) -> list[ParticipantRow]:
    """Members in the order in which they joined, that follow (joined_at, user id)."""
    query = (
        select(_P.user_id, _P.role, _P.joined_at, _P.last_read_seq)
        .where(_P.conversation_id == conversation_id)
        .order_by(_P.joined_at, _P.user_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(
            or_(_P.joined_at > after[0], and_(_P.joined_at == after[0], _P.user_id > after[1]))
        )
    return [ParticipantRow(*row) for row in conn.execute(query)]


# Plain SQL on the driver: these run once for each few messages.
_CALLED = "SELECT type, title FROM conversations WHERE conversation_id = ? AND deleted_at IS NULL"
_LISTENERS = (
    "SELECT user_id, first_visible_seq, cleared_seq, last_read_seq, muted_until"
    " FROM conversation_participants WHERE conversation_id = ? AND user_id > ? ORDER BY user_id LIMIT ?"
)


def audience(tx: WriteTx, conversation_id: str, after: str | None, limit: int | None) -> Audience | None:
    """Members in the order of their ids, for those who tell them something."""
    found = tx.run(_CALLED, (conversation_id,))
    if not found:
        return None
    rows = tx.run(_LISTENERS, (conversation_id, after or "", _ALL if limit is None else limit))
    listeners = [Listener(row[0], max(row[1], row[2] + 1), row[3], row[4]) for row in rows]
    return Audience(found[0][0], found[0][1], listeners)


def readers(conn: Connection, conversation_id: str, *, after: str | None, limit: int) -> list[Reader]:
    """Members and their marks, ascending by user id."""
    query = select(
        _P.user_id,
        _P.first_visible_seq,
        _P.cleared_seq,
        _P.last_read_seq,
        _P.last_read_at,
        _P.last_delivered_seq,
    ).where(_P.conversation_id == conversation_id)
    if after is not None:
        query = query.where(_P.user_id > after)
    rows = conn.execute(query.order_by(_P.user_id).limit(limit))
    return [Reader(row[0], max(row[1], row[2] + 1), *row[3:]) for row in rows]


def participant(member: Member) -> ParticipantRow:
    """The same of a member that was read already."""
    return ParticipantRow(member.user_id, member.role, member.joined_at, member.last_read_seq)


def _listed(
    query: Select[*tuple[Any, ...]], user_id: str, archived: Archived, type_: Type | None
) -> Select[*tuple[Any, ...]]:
    query = query.join_from(
        conversation_participants, conversations, _C.conversation_id == _P.conversation_id
    ).where(_P.user_id == user_id, _P.hidden.is_(False))
    if archived != "all":
        query = query.where(_P.archived.is_(archived == "true"))
    return query if type_ is None else query.where(_C.type == type_)


def _seat(row: Row[*tuple[Any, ...]]) -> Seat:
    record: Record = record_of(row)
    return member_of(row, record)
