"""Where somebody is and was, and who comes after it."""

from sqlalchemy import Connection, delete, select, union

from secureconnect.features.conversations.store.tables import (
    conversation_participants,
    conversations,
    removed_members,
)
from secureconnect.infra.database.base import WriteTx

__all__ = ["ever_in", "forget_former", "heirs"]

_C, _P, _R = conversations.c, conversation_participants.c, removed_members.c


def ever_in(conn: Connection, user_id: str, after: str | None, limit: int) -> list[str]:
    """Conversations of a member now or before, ascending by id."""
    known = union(
        select(_P.conversation_id).where(_P.user_id == user_id),
        select(_R.conversation_id).where(_R.user_id == user_id),
    ).subquery()
    query = (
        select(_C.conversation_id)
        .join(known, known.c.conversation_id == _C.conversation_id)
        .where(_C.deleted_at.is_(None))
        .order_by(_C.conversation_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(_C.conversation_id > after)
    return list(conn.execute(query).scalars())


def heirs(conn: Connection, conversation_id: str, but: str) -> list[tuple[str, str]]:
    """Every other member and its role: admins first, each in the order in which they came."""
    query = (
        select(_P.user_id, _P.role)
        .where(_P.conversation_id == conversation_id, _P.user_id != but)
        .order_by(_P.role != "admin", _P.joined_at, _P.joined_seq, _P.user_id)
    )
    return [(row[0], row[1]) for row in conn.execute(query)]


def forget_former(tx: WriteTx, user_id: str, limit: int) -> int:
    """Forget at most `limit` conversations that the user left or was put out of; returns how many."""
    some = select(_R.conversation_id).where(_R.user_id == user_id).limit(limit)
    gone = delete(removed_members).where(_R.user_id == user_id, _R.conversation_id.in_(some))
    return tx.conn.execute(gone).rowcount
