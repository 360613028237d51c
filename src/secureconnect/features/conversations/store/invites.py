"""Invites: links that let people join. Codes are found by their SHA-256."""

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select, update

from secureconnect.features.conversations.store.records import Invite
from secureconnect.features.conversations.store.tables import conversation_invites
from secureconnect.infra.database.base import WriteTx

__all__ = [
    "count_live_invites",
    "find_invite",
    "find_invite_by_code",
    "insert_invite",
    "list_live_invites",
    "revoke_invite",
    "use_invite",
]

_I = conversation_invites.c


def insert_invite(tx: WriteTx, invite: Invite) -> None:
    """Store a new invite."""
    tx.conn.execute(insert(conversation_invites).values(msgspec.structs.asdict(invite)))


def find_invite(conn: Connection, invite_id: str) -> Invite | None:
    """An invite by id, live or not."""
    row = conn.execute(select(conversation_invites).where(_I.invite_id == invite_id)).first()
    return Invite(*row) if row is not None else None


def find_invite_by_code(conn: Connection, code_hash: bytes) -> Invite | None:
    """An invite by the hash of its code, live or not."""
    row = conn.execute(select(conversation_invites).where(_I.code_hash == code_hash)).first()
    return Invite(*row) if row is not None else None


def count_live_invites(conn: Connection, conversation_id: str, now: int) -> int:
    """How many let somebody in at `now`."""
    query = select(func.count()).select_from(conversation_invites).where(_live(conversation_id, now))
    return conn.execute(query).scalar_one()


def list_live_invites(
    conn: Connection, conversation_id: str, now: int, *, after: tuple[int, str] | None, limit: int
) -> list[Invite]:
    """Those that let somebody in at `now`, newest first, that follow (created_at, invite id)."""
    query = (
        select(conversation_invites)
        .where(_live(conversation_id, now))
        .order_by(_I.created_at.desc(), _I.invite_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(
            or_(_I.created_at < after[0], and_(_I.created_at == after[0], _I.invite_id > after[1]))
        )
    return [Invite(*row) for row in conn.execute(query)]


def use_invite(tx: WriteTx, invite_id: str) -> None:
    """Count one use."""
    tx.conn.execute(update(conversation_invites).where(_I.invite_id == invite_id).values(uses=_I.uses + 1))


def revoke_invite(tx: WriteTx, invite_id: str, now: int) -> None:
    """Let nobody in any more."""
    tx.conn.execute(update(conversation_invites).where(_I.invite_id == invite_id).values(revoked_at=now))


def _live(conversation_id: str, now: int) -> ColumnElement[bool]:
    return and_(
        _I.conversation_id == conversation_id,
        _I.revoked_at.is_(None),
        _I.expires_at > now,
        or_(_I.max_uses.is_(None), _I.uses < _I.max_uses),
    )
