"""What other features may ask about files."""

from collections.abc import Collection, Sequence
from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct
from sqlalchemy import Connection

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import AttachedFile, Statement
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.objects import Id, Time

__all__ = ["File", "FileRecord", "FileStatus", "Files", "Usage", "render_file"]

FileStatus = Literal["uploading", "completed", "failed", "deleted"]


class FileRecord(Struct, frozen=True):
    """A file as stored. Sizes in bytes, times in milliseconds since the epoch.

    `upload_id` and `part_size` are given for multipart uploads. `expires_at` is when an upload ends that was
    not completed.
    """

    file_id: str
    owner_id: str
    file_name: str
    file_size: int
    content_type: str
    object_key: str
    is_encrypted: bool
    sha256: str | None
    status: FileStatus
    upload_id: str | None
    part_size: int | None
    has_thumbnail: bool
    expires_at: int | None
    created_at: int
    completed_at: int | None

    @property
    def attached(self) -> AttachedFile:
        """The file as a message carries it."""
        return AttachedFile(
            self.file_id,
            self.file_name,
            self.content_type,
            self.file_size,
            self.is_encrypted,
            self.completed_at or self.created_at,
            has_thumbnail=self.has_thumbnail,
        )


class File(Struct, frozen=True, kw_only=True):
    """A file as its readers see it. `file_size` in bytes; `sha256` in hex, when the owner gave it."""

    file_id: Id
    owner_id: Id
    file_name: Annotated[str, Meta(min_length=1, max_length=255)]
    file_size: int
    content_type: Annotated[str, Meta(min_length=3, max_length=127)]
    is_encrypted: bool
    sha256: Annotated[str, Meta(min_length=64, max_length=64)] | None
    status: FileStatus
    has_thumbnail: bool
    created_at: Time
    completed_at: Time | None


class Usage(Struct, frozen=True):
    """What a user's files take, in bytes; `total` is the quota that counts for that user."""

    completed: int
    pending: int
    total: int

    @property
    def used(self) -> int:
        """What counts against the quota."""
        return self.completed + self.pending


class Files(Protocol):
    """Files by id, and who may read them.

    A reader is the owner, or a member of a conversation with a live message that attaches the file and that
    the member can see. Reading ends with the membership, the message or the file
    (docs/reference/rules.md §9).
    """

    def attachable_in(self, conn: Connection, user_id: str, file_ids: Sequence[str]) -> list[FileRecord]:
        """The user's own completed files, in the order asked for.

        Raises:
            ApiError: `NOT_FOUND` for an unknown, foreign, failed or deleted one; `FILE_NOT_READY` for one
                that is still being uploaded.
        """

    def readable_in(self, conn: Connection, user_id: str, file_ids: Sequence[str]) -> list[FileRecord]:
        """Those of `file_ids` that are completed and that the user may read, in the order asked for."""

    def grant_statements(
        self, conversation_id: str, message_id: str, attached: Sequence[AttachedFile]
    ) -> Sequence[Statement]:
        """What rides along with the append of a message that attaches these files.

        When one of them is not so any more, since it was deleted or got its thumbnail, the append breaks with
        `sqlalchemy.exc.IntegrityError` and nothing is written: see `attached_now`.
        """

    async def attached_now(self, file_ids: Sequence[str]) -> list[AttachedFile]:
        """The files as a message attaches them now.

        Raises:
            ApiError: `NOT_FOUND` when one of them was deleted.
        """

    def grant_in(
        self, tx: WriteTx, conversation_id: str, message_id: str, seq: int, file_ids: Sequence[str]
    ) -> None:
        """Make exactly these the files that the message at `seq` attaches, for an edit.

        Raises:
            ApiError: `NOT_FOUND` when one of them was deleted.
        """

    def revoke_in(self, tx: WriteTx, message_id: str) -> None:
        """The message attaches nothing any more."""

    def stored_bytes_in(self, conn: Connection) -> int:
        """The bytes of all completed files."""

    def used_in(self, conn: Connection, user_ids: Collection[str]) -> dict[str, int]:
        """The bytes that count against the quota of each of `user_ids`; who never uploaded is left out."""

    def quota(self, own: int | None) -> int:
        """The quota in bytes that counts for a user who was given the quota `own`, or none."""

    def owned_in(self, conn: Connection, user_id: str, *, after: str | None, limit: int) -> list[FileRecord]:
        """The user's completed files, ascending by id, above the id `after`; for an export."""

    async def erase_owned(self, user_id: str, *, limit: int) -> int:
        """Delete at most `limit` files of a user with their objects, uploads that run and the avatar too.

        Pictures that groups show stay. Returns how many; fewer than `limit` means that nothing is left. Safe
        to repeat.
        """


def render_file(record: FileRecord) -> File:
    """`record` as its readers see it."""
    return File(
        file_id=record.file_id,
        owner_id=record.owner_id,
        file_name=record.file_name,
        file_size=record.file_size,
        content_type=record.content_type,
        is_encrypted=record.is_encrypted,
        sha256=record.sha256,
        status=record.status,
        has_thumbnail=record.has_thumbnail,
        created_at=rfc3339(record.created_at),
        completed_at=rfc3339(record.completed_at) if record.completed_at is not None else None,
    )
