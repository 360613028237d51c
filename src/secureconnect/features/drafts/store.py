"""The table of drafts and its queries."""

import msgspec
from msgspec import Struct
from sqlalchemy import BigInteger, Column, Connection, String, Table, Text, delete, insert, select

from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = ["DraftBody", "find", "remove", "save"]

drafts = Table(
    "drafts",
    METADATA,
    Column("user_id", String(36), primary_key=True),
    Column("conversation_id", String(36), primary_key=True),
    Column("thread_root_id", String(36), primary_key=True),  # empty for the conversation itself
    Column("body", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

_d = drafts.c


class DraftBody(Struct, frozen=True):
    """What is kept of a draft."""

    content: str
    is_encrypted: bool = False
    reply_to_message_id: str | None = None
    attachments: list[str] = []


_body = msgspec.json.Decoder(DraftBody)


def find(
    conn: Connection, user_id: str, conversation_id: str, thread_root_id: str | None
) -> tuple[DraftBody, int] | None:
    """A draft and when it was saved (ms)."""
    row = conn.execute(
        select(_d.body, _d.updated_at).where(
            _d.user_id == user_id,
            _d.conversation_id == conversation_id,
            _d.thread_root_id == (thread_root_id or ""),
        )
    ).first()
    return (_body.decode(row[0]), row[1]) if row is not None else None


def save(
    tx: WriteTx,
    user_id: str,
    conversation_id: str,
    thread_root_id: str | None,
    body: DraftBody,
    now: int,
) -> None:
    """Keep this draft in place of the one there is."""
    remove(tx, user_id, conversation_id, thread_root_id)
    tx.conn.execute(
        insert(drafts).values(
            user_id=user_id,
            conversation_id=conversation_id,
            thread_root_id=thread_root_id or "",
            body=msgspec.json.encode(body).decode(),
            updated_at=now,
        )
    )


def remove(tx: WriteTx, user_id: str, conversation_id: str, thread_root_id: str | None) -> bool:
    """Forget a draft; False when there was none."""
    gone = tx.conn.execute(
        delete(drafts).where(
            _d.user_id == user_id,
            _d.conversation_id == conversation_id,
            _d.thread_root_id == (thread_root_id or ""),
        )
    )
    return gone.rowcount > 0
