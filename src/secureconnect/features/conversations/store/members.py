"""Who is in a conversation, who was put out of it, and how far each has read."""

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, TextClause, delete, func, insert, select, text, update

from secureconnect.features.conversations.api import FOR_GOOD, Marks, MemberFact
from secureconnect.features.conversations.store.records import NewMember
from secureconnect.features.conversations.store.tables import (
    conversation_participants,
    conversations,
    removed_members,
)
from secureconnect.infra.database.base import WriteTx

__all__ = [
    "advance_marks",
    "co_members",
    "count_conversations",
    "count_members",
    "delete_member",
    "forget_removed",
    "highest_mark",
    "insert_members",
    "member_facts",
    "members_among",
    "membership_counts",
    "memberships_among",
    "muted_among",
    "put_out",
    "remember_removed",
    "set_flags",
    "set_role",
    "visible",
    "visible_among",
]

_C = conversations.c
_P = conversation_participants.c
_R = removed_members.c
# Ids per statement.
_LENGTHS = (1, 8, 64, 500)
_CHUNK = _LENGTHS[-1]


def insert_members(tx: WriteTx, conversation_id: str, members: Iterable[NewMember], now: int) -> None:
    """Store memberships, at least one. `count_members` counts them."""
    rows = [
        {
            "conversation_id": conversation_id,
            "user_id": member.user_id,
            "role": member.role,
            "joined_at": now,
            "joined_seq": member.seq,
            "first_visible_seq": member.first_visible_seq,
            "last_read_seq": member.seq,
            "last_read_at": None,
            "last_delivered_seq": member.seq,
            "archived": False,
            "muted_until": None,
            "cleared_seq": 0,
            "hidden": False,
        }
        for member in members
    ]
    tx.conn.execute(insert(conversation_participants), rows)


def delete_member(tx: WriteTx, conversation_id: str, user_id: str) -> None:
    """End a membership. `count_members` counts it."""
    tx.conn.execute(
        delete(conversation_participants).where(_P.conversation_id == conversation_id, _P.user_id == user_id)
    )


def count_members(tx: WriteTx, conversation_id: str, more: int) -> None:
    """Remember how many there are, after `more` came or, when it is negative, left."""
    tx.conn.execute(
        update(conversations)
        .where(_C.conversation_id == conversation_id)
        .values(member_count=_C.member_count + more)
    )


def set_role(tx: WriteTx, conversation_id: str, user_id: str, role: str) -> None:
    """Give a member a role."""
    set_flags(tx, conversation_id, user_id, {"role": role})


def set_flags(tx: WriteTx, conversation_id: str, user_id: str, values: Mapping[str, Any]) -> None:
    """Set columns of one membership."""
    tx.conn.execute(
        update(conversation_participants)
        .where(_P.conversation_id == conversation_id, _P.user_id == user_id)
        .values(values)
    )


def members_among(conn: Connection, conversation_id: str, user_ids: Collection[str]) -> set[str]:
    """Those of `user_ids` that are members."""
    query = select(_P.user_id).where(_P.conversation_id == conversation_id, _P.user_id.in_(user_ids))
    return set(conn.execute(query).scalars())


def memberships_among(conn: Connection, user_id: str, conversation_ids: Collection[str]) -> set[str]:
    """Those of `conversation_ids` that the user is a member of."""
    query = select(_P.conversation_id).where(_P.user_id == user_id, _P.conversation_id.in_(conversation_ids))
    return set(conn.execute(query).scalars())


def count_conversations(conn: Connection, user_ids: Collection[str]) -> dict[str, int]:
    """How many conversations each of `user_ids` is in; those in none are left out."""
    query = select(_P.user_id, func.count()).where(_P.user_id.in_(user_ids)).group_by(_P.user_id)
    return {row[0]: row[1] for row in conn.execute(query)}


def member_facts(conn: Connection, conversation_id: str) -> tuple[dict[str, MemberFact], bool]:
    """Every member, and whether a message must bring the conversation back for one of them.

    A mute may end without a trace, so only one for good counts as keeping an archived conversation away.
    """
    query = select(
        _P.user_id, _P.role, _P.first_visible_seq, _P.cleared_seq, _P.hidden, _P.archived, _P.muted_until
    ).where(_P.conversation_id == conversation_id)
    members: dict[str, MemberFact] = {}
    wake = False
    for user_id, role, first, cleared, hidden, archived, muted_until in conn.execute(query):
        # Rows bring a new string each; there are many of these in memory.
        members[user_id] = MemberFact("admin" if role == "admin" else "member", first, cleared)
        wake = wake or hidden or (archived and muted_until != FOR_GOOD)
    return members, wake


def remember_removed(
    tx: WriteTx, conversation_id: str, user_id: str, *, now: int, seq: int, by_admin: bool
) -> None:
    """Remember that a membership ended; the latest end counts."""
    forget_removed(tx, conversation_id, [user_id])
    tx.conn.execute(
        insert(removed_members).values(
            conversation_id=conversation_id,
            user_id=user_id,
            removed_at=now,
            removed_seq=seq,
            by_admin=by_admin,
        )
    )


def forget_removed(tx: WriteTx, conversation_id: str, user_ids: Collection[str]) -> None:
    """They are members again."""
    tx.conn.execute(
        delete(removed_members).where(_R.conversation_id == conversation_id, _R.user_id.in_(user_ids))
    )


def put_out(conn: Connection, conversation_id: str, user_ids: Collection[str]) -> set[str]:
    """Those of `user_ids` that an admin removed."""
    query = select(_R.user_id).where(
        _R.conversation_id == conversation_id, _R.user_id.in_(user_ids), _R.by_admin.is_(True)
    )
    return set(conn.execute(query).scalars())


def advance_marks(
    tx: WriteTx, conversation_id: str, user_id: str, *, read: int, delivered: int, read_at: int | None
) -> Marks | None:
    """Raise the marks to the given seqs where those are higher; None when the user is no member.

    What was read was received: `delivered` is at least `read`.
    """
    key = (conversation_id, user_id)
    rows = tx.run(
        "SELECT last_read_seq, last_delivered_seq FROM conversation_participants"
        " WHERE conversation_id = ? AND user_id = ?",
        key,
    )
    if not rows:
        return None
    old_read, old_delivered = rows[0]
    new_read = max(old_read, read)
    new_delivered = max(old_delivered, delivered)
    if (new_read, new_delivered) == (old_read, old_delivered):
        return Marks(old_read, old_delivered, moved=False)
    if new_read > old_read:
        tx.run(
            "UPDATE conversation_participants SET last_read_seq = ?, last_delivered_seq = ?, last_read_at = ?"
            " WHERE conversation_id = ? AND user_id = ?",
            (new_read, new_delivered, read_at, *key),
        )
    else:
        tx.run(
            "UPDATE conversation_participants SET last_delivered_seq = ?"
            " WHERE conversation_id = ? AND user_id = ?",
            (new_delivered, *key),
        )
    return Marks(new_read, new_delivered, moved=True)


def highest_mark(conn: Connection, conversation_id: str) -> int:
    """The highest read mark of all members."""
    query = select(func.max(_P.last_read_seq)).where(_P.conversation_id == conversation_id)
    return conn.execute(query).scalar_one() or 0


def visible(conn: Connection, user_id: str, conversation_id: str | None = None) -> dict[str, int]:
    """The lowest seq that the user may read, by conversation: all of the user's, or only the given one."""
    query = select(_P.conversation_id, _P.first_visible_seq, _P.cleared_seq).where(_P.user_id == user_id)
    if conversation_id is not None:
        query = query.where(_P.conversation_id == conversation_id)
    return {row[0]: max(row[1], row[2] + 1) for row in conn.execute(query)}


def membership_counts(conn: Connection, user_ids: Collection[str]) -> dict[str, int]:
    """In how many conversations each user is, those in none left out."""
    query = select(_P.user_id, func.count()).where(_P.user_id.in_(user_ids)).group_by(_P.user_id)
    return {row[0]: row[1] for row in conn.execute(query)}


def visible_among(conn: Connection, user_id: str, conversation_ids: Collection[str]) -> dict[str, int]:
    """The lowest seq that the user may read, by conversation: those of `conversation_ids` with the user."""
    query = select(_P.conversation_id, _P.first_visible_seq, _P.cleared_seq)
    rows = conn.execute(query.where(_P.user_id == user_id, _P.conversation_id.in_(conversation_ids)))
    return {row[0]: max(row[1], row[2] + 1) for row in rows}


def co_members(conn: Connection, user_id: str, others: Collection[str]) -> set[str]:
    """Those of `others` that share a conversation with the user. For each the first one found is enough."""
    wanted = [other for other in others if other != user_id]
    found: set[str] = set()
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        # A few lengths serve all, so that the statements stay in the caches.
        chunk += chunk[-1:] * (next(length for length in _LENGTHS if length >= len(chunk)) - len(chunk))
        params = {f"u{place}": other for place, other in enumerate(chunk)}
        found.update(conn.execute(_shared(len(chunk)), {**params, "me": user_id}).scalars())
    return found


@cache
def _shared(length: int) -> TextClause:
    values = ", ".join(f"(:u{place})" for place in range(length))
    return text(
        f"SELECT v.column1 FROM (VALUES {values}) AS v WHERE EXISTS"  # noqa: S608 - placeholders of our own
        " (SELECT 1 FROM conversation_participants AS theirs JOIN conversation_participants AS mine"
        " ON mine.conversation_id = theirs.conversation_id AND mine.user_id = :me"
        " WHERE theirs.user_id = v.column1)"
    )


def muted_among(conn: Connection, conversation_id: str, user_ids: Collection[str]) -> dict[str, int]:
    """`muted_until` of those members of `user_ids` that have one."""
    query = select(_P.user_id, _P.muted_until).where(
        _P.conversation_id == conversation_id, _P.user_id.in_(user_ids), _P.muted_until.is_not(None)
    )
    return {row[0]: row[1] for row in conn.execute(query)}
