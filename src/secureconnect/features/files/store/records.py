"""Files: the rows and every change of their state."""

from collections.abc import Collection, Sequence

from msgspec import Struct, structs
from sqlalchemy import Connection, delete, insert, select, update

from secureconnect.features.files.api import FileRecord, FileStatus
from secureconnect.features.files.store.tables import files
from secureconnect.infra.database.base import WriteTx

__all__ = [
    "NewFile",
    "begin_parts",
    "blank_row",
    "delete_row",
    "expired",
    "extend",
    "find",
    "find_many",
    "insert_file",
    "list_owned",
    "owned_after",
    "set_completed",
    "set_gone",
    "set_thumbnail",
]

_F = files.c
# No file that somebody uploads is called so.
_BLANK = ""
_RECORD = tuple(_F[name] for name in FileRecord.__struct_fields__)


class NewFile(Struct, frozen=True):
    """A file that is about to be uploaded. Size in bytes, times in milliseconds since the epoch."""

    file_id: str
    owner_id: str
    file_name: str
    file_size: int
    content_type: str
    object_key: str
    is_encrypted: bool
    sha256: str | None
    part_size: int | None
    expires_at: int
    created_at: int


def insert_file(tx: WriteTx, file: NewFile) -> None:
    """Store a file in status `uploading`."""
    values = {
        **structs.asdict(file),
        "status": "uploading",
        "has_thumbnail": False,
        "updated_at": file.created_at,
    }
    tx.conn.execute(insert(files).values(values))


def find(conn: Connection, file_id: str) -> FileRecord | None:
    """One file in any state."""
    return find_many(conn, [file_id]).get(file_id)


def find_many(conn: Connection, file_ids: Collection[str]) -> dict[str, FileRecord]:
    """Those that exist, in any state."""
    rows = conn.execute(select(*_RECORD).where(_F.file_id.in_(file_ids)))
    return {row.file_id: FileRecord(*row) for row in rows}


def begin_parts(tx: WriteTx, file_id: str, upload_id: str) -> None:
    """Remember the multipart upload of a file."""
    tx.conn.execute(update(files).where(_F.file_id == file_id).values(upload_id=upload_id))


def extend(tx: WriteTx, file_id: str, expires_at: int, now: int) -> None:
    """Let an upload run until `expires_at`."""
    tx.conn.execute(update(files).where(_F.file_id == file_id).values(expires_at=expires_at, updated_at=now))


def set_completed(tx: WriteTx, file_id: str, *, sha256: str | None, now: int) -> None:
    """The object is there and was verified."""
    tx.conn.execute(
        update(files)
        .where(_F.file_id == file_id)
        .values(
            status="completed",
            sha256=sha256,
            updated_at=now,
            completed_at=now,
        )
    )


def set_gone(tx: WriteTx, file_id: str, status: FileStatus, now: int) -> None:
    """The upload failed, or the file was deleted; the objects go after the commit."""
    values: dict[str, object] = {"status": status, "has_thumbnail": False, "updated_at": now}
    if status == "deleted":
        values["deleted_at"] = now
    tx.conn.execute(update(files).where(_F.file_id == file_id).values(values))


def set_thumbnail(tx: WriteTx, file_id: str) -> bool:
    """The file has a thumbnail now. False when the file is gone."""
    changed = tx.conn.execute(
        update(files).where(_F.file_id == file_id, _F.status == "completed").values(has_thumbnail=True)
    )
    return changed.rowcount > 0


def blank_row(tx: WriteTx, file_id: str, now: int) -> None:
    """Forget what a file was, not whose: the picture of a group is found by that."""
    values = {"status": "deleted", "file_name": _BLANK, "sha256": None, "has_thumbnail": False}
    tx.conn.execute(
        update(files).where(_F.file_id == file_id).values(**values, updated_at=now, deleted_at=now)
    )


def delete_row(tx: WriteTx, file_id: str) -> None:
    """Forget that there was a file."""
    tx.conn.execute(delete(files).where(_F.file_id == file_id))


def expired(conn: Connection, now: int, limit: int) -> list[FileRecord]:
    """Uploads that were not completed in time, the earliest first."""
    query = select(*_RECORD).where(_F.status == "uploading", _F.expires_at <= now)
    return [FileRecord(*row) for row in conn.execute(query.order_by(_F.expires_at).limit(limit))]


def list_owned(
    conn: Connection,
    owner_id: str,
    *,
    status: FileStatus,
    content_type: str | None,
    before: str | None,
    limit: int,
) -> list[FileRecord]:
    """A user's files in one state, newest first, below the id `before`; types that begin with a prefix."""
    query = select(*_RECORD).where(_F.owner_id == owner_id, _F.status == status)
    if content_type is not None:
        query = query.where(_F.content_type.startswith(content_type, autoescape=True))
    if before is not None:
        query = query.where(_F.file_id < before)
    return [FileRecord(*row) for row in conn.execute(query.order_by(_F.file_id.desc()).limit(limit))]


def owned_after(
    conn: Connection, owner_id: str, statuses: Sequence[FileStatus], *, after: str | None, limit: int
) -> list[FileRecord]:
    """A user's files in these states, ascending by id, above the id `after`; blanked ones are left out."""
    named = _F.file_name != _BLANK
    query = select(*_RECORD).where(_F.owner_id == owner_id, _F.status.in_(statuses), named)
    if after is not None:
        query = query.where(_F.file_id > after)
    return [FileRecord(*row) for row in conn.execute(query.order_by(_F.file_id).limit(limit))]
