"""Which messages attach which files: whoever can see one of them may read the file."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, tuple_

from secureconnect.features.files.api import FileRecord
from secureconnect.features.files.store.tables import file_grants, files
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import AttachedFile, Statement

__all__ = [
    "Attached",
    "attached_in",
    "grant_statements",
    "messages_with",
    "replace_grants",
    "revoke_file",
    "revoke_message",
    "revoke_messages",
    "windows",
]

_F = files.c
_G = file_grants.c
_RECORD = tuple(_F[name] for name in FileRecord.__struct_fields__)

# No id is null, so a file that is not what the message says of it breaks the append that would attach it: one
# that was deleted, or got its thumbnail, since the sender's file was looked at.
_GRANT = (
    "INSERT INTO file_grants (seq, file_id, conversation_id, message_id) VALUES (?1,"
    " (SELECT file_id FROM files WHERE file_id = ?2 AND status = 'completed' AND has_thumbnail = ?5), ?3, ?4)"
    " ON CONFLICT DO NOTHING"
)


class Attached(NamedTuple):
    """A file of a message of a conversation."""

    file: FileRecord
    message_id: str
    seq: int


def grant_statements(
    conversation_id: str, message_id: str, attached: Sequence[AttachedFile]
) -> list[Statement]:
    """What rides along with the append of a message; `?1` is its seq."""
    place = (conversation_id, message_id)
    return [Statement(_GRANT, (file.file_id, *place, file.has_thumbnail)) for file in attached]


def replace_grants(
    tx: WriteTx, conversation_id: str, message_id: str, seq: int, file_ids: Sequence[str]
) -> None:
    """Make exactly these the files of a message."""
    revoke_message(tx, message_id)
    if file_ids:
        place = {"conversation_id": conversation_id, "message_id": message_id, "seq": seq}
        tx.conn.execute(insert(file_grants), [{"file_id": file_id, **place} for file_id in file_ids])


def revoke_message(tx: WriteTx, message_id: str) -> None:
    """The message attaches nothing any more."""
    tx.conn.execute(delete(file_grants).where(_G.message_id == message_id))


def revoke_messages(tx: WriteTx, message_ids: Collection[str]) -> None:
    """These messages attach nothing any more."""
    tx.conn.execute(delete(file_grants).where(_G.message_id.in_(message_ids)))


def revoke_file(tx: WriteTx, file_id: str) -> None:
    """No message attaches the file any more."""
    tx.conn.execute(delete(file_grants).where(_G.file_id == file_id))


def windows(conn: Connection, file_ids: Collection[str]) -> dict[str, dict[str, int]]:
    """For each file the conversations that attach it, with the seq of the newest message that does.

    A member who sees any of a conversation's messages that attach the file sees the newest one.
    """
    query = (
        select(_G.file_id, _G.conversation_id, func.max(_G.seq))
        .where(_G.file_id.in_(file_ids))
        .group_by(_G.file_id, _G.conversation_id)
    )
    found: dict[str, dict[str, int]] = {}
    for file_id, conversation_id, seq in conn.execute(query):
        found.setdefault(file_id, {})[conversation_id] = seq
    return found


def messages_with(conn: Connection, file_id: str) -> list[str]:
    """The messages that attach the file."""
    return list(conn.execute(select(_G.message_id).where(_G.file_id == file_id)).scalars())


def attached_in(
    conn: Connection,
    conversation_id: str,
    *,
    visible_from: int,
    content_type: str | None,
    before: tuple[int, str] | None,
    limit: int,
) -> list[Attached]:
    """Files of a conversation's messages from seq `visible_from` on, newest first, below `before`
    (seq, file_id); types that begin with a prefix."""
    query = (
        select(*_RECORD, _G.message_id, _G.seq)
        .join(files, _F.file_id == _G.file_id)
        .where(_G.conversation_id == conversation_id, _G.seq >= visible_from, _F.status == "completed")
    )
    if content_type is not None:
        query = query.where(_F.content_type.startswith(content_type, autoescape=True))
    if before is not None:
        query = query.where(tuple_(_G.seq, _G.file_id) < before)
    query = query.order_by(_G.seq.desc(), _G.file_id.desc()).limit(limit)
    return [Attached(FileRecord(*row[:-2]), row[-2], row[-1]) for row in conn.execute(query)]
