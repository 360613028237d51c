"""Conversations themselves."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from secureconnect.features.conversations.store.records import (
    MEMBER,
    RECORD,
    DirectExists,
    Record,
    Seat,
    encode_settings,
    member_of,
    record_of,
)
from secureconnect.features.conversations.store.tables import (
    conversation_invites,
    conversation_participants,
    conversations,
    removed_members,
)
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.objects import ConversationSettings

__all__ = [
    "change",
    "delete_conversation",
    "find",
    "find_deleted",
    "find_direct",
    "find_seat",
    "find_seats",
    "forget_deleted",
    "insert_conversation",
    "set_settings",
    "touch",
]

_C = conversations.c
_P = conversation_participants.c

# Nearly every request asks this; building it each time would cost more than running it.
_SEAT = (
    select(*RECORD, *MEMBER)
    .outerjoin_from(
        conversations,
        conversation_participants,
        and_(_P.conversation_id == _C.conversation_id, _P.user_id == bindparam("user")),
    )
    .where(_C.conversation_id == bindparam("conversation"), _C.deleted_at.is_(None))
)


def insert_conversation(tx: WriteTx, record: Record) -> None:
    """Store a new conversation.

    Raises:
        DirectExists: the pair has a direct conversation already.
    """
    values = msgspec.structs.asdict(record)
    values |= {"settings": encode_settings(record.settings), "settings_version": 1}
    try:
        tx.conn.execute(insert(conversations).values(values))
    except IntegrityError as error:  # another process was faster
        if record.direct_key is None:
            raise
        raise DirectExists from error


def find(conn: Connection, conversation_id: str) -> Record | None:
    """A conversation that is not deleted."""
    row = conn.execute(
        select(*RECORD).where(_C.conversation_id == conversation_id, _C.deleted_at.is_(None))
    ).first()
    return record_of(row) if row is not None else None


def find_direct(conn: Connection, direct_key: str) -> str | None:
    """The id of a pair's conversation."""
    query = select(_C.conversation_id).where(_C.direct_key == direct_key)
    return conn.execute(query).scalar_one_or_none()


def find_seat(conn: Connection, conversation_id: str, user_id: str) -> tuple[Record | None, Seat | None]:
    """A conversation that is not deleted, and the user's place in it; each None when missing."""
    row = conn.execute(_SEAT, {"conversation": conversation_id, "user": user_id}).first()
    if row is None:
        return None, None
    record = record_of(row)
    return record, member_of(row, record) if row.user_id is not None else None


def find_seats(conn: Connection, user_id: str, conversation_ids: Collection[str]) -> dict[str, Seat]:
    """The user's places in those of the conversations that it is a member of."""
    query = (
        select(*RECORD, *MEMBER)
        .join_from(conversation_participants, conversations, _C.conversation_id == _P.conversation_id)
        .where(_P.user_id == user_id, _P.conversation_id.in_(conversation_ids))
    )
    return {row.conversation_id: member_of(row, record_of(row)) for row in conn.execute(query)}


def change(tx: WriteTx, conversation_id: str, values: Mapping[str, Any]) -> None:
    """Set columns."""
    tx.conn.execute(update(conversations).where(_C.conversation_id == conversation_id).values(values))


def avatar_file(conn: Connection, conversation_id: str) -> str | None:
    """The file that the picture was made of."""
    query = select(_C.avatar_file_id).where(_C.conversation_id == conversation_id)
    return conn.execute(query).scalar_one_or_none()


def avatars_among(conn: Connection, file_ids: Collection[str]) -> set[str]:
    """Those files of which some conversation's picture was made."""
    query = select(_C.avatar_file_id).where(_C.avatar_file_id.in_(file_ids), _C.deleted_at.is_(None))
    return {file_id for file_id in conn.execute(query).scalars() if file_id is not None}


def set_settings(tx: WriteTx, conversation_id: str, settings: ConversationSettings) -> None:
    """Replace the settings."""
    values = {"settings": encode_settings(settings), "settings_version": _C.settings_version + 1}
    change(tx, conversation_id, values)


def touch(tx: WriteTx, conversation_id: str, now: int) -> None:
    """Remember the time of the last event."""
    tx.run("UPDATE conversations SET updated_at = ? WHERE conversation_id = ?", (now, conversation_id))


def delete_conversation(tx: WriteTx, conversation_id: str, now: int) -> None:
    """Mark a group as deleted and take everybody and every link out; its timeline stays for now."""
    change(tx, conversation_id, {"deleted_at": now, "updated_at": now})
    for table in (conversation_participants, removed_members, conversation_invites):
        tx.conn.execute(delete(table).where(table.c.conversation_id == conversation_id))


def find_deleted(conn: Connection) -> str | None:
    """A deleted conversation whose content was not erased yet."""
    return conn.execute(
        select(_C.conversation_id).where(_C.deleted_at.is_not(None)).limit(1)
    ).scalar_one_or_none()


def forget_deleted(tx: WriteTx, conversation_id: str) -> None:
    """Remove the last row of a deleted conversation."""
    tx.conn.execute(
        delete(conversations).where(_C.conversation_id == conversation_id, _C.deleted_at.is_not(None))
    )
