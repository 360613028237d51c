"""One person's files. Their bytes go into exports beside the list."""

from collections.abc import AsyncIterator
from typing import Final

from sqlalchemy import Connection

from secureconnect.features.files.api import FileRecord, Files
from secureconnect.infra.database.base import Database
from secureconnect.infra.database.personal import Page
from secureconnect.kit.clock import rfc3339

__all__ = ["OwnFiles"]

_BATCH: Final = 200
#: Each file may be in many messages, which show that it is gone.
_ERASED: Final = 20


class OwnFiles:
    """Implements `privacy.api.Belongings`."""

    name = "files"
    tables = frozenset({"files", "file_grants", "storage_usage"})

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files

    async def exported(self, user_id: str) -> AsyncIterator[Page]:
        """See `Belongings.exported`."""
        after: str | None = None

        def read(conn: Connection) -> list[FileRecord]:
            return self._files.owned_in(conn, user_id, after=after, limit=_BATCH)

        while files := await self._database.read(read):
            after = files[-1].file_id
            yield (
                "files.json",
                [
                    {
                        "file_id": file.file_id,
                        "file_name": file.file_name,
                        "file_size": file.file_size,
                        "content_type": file.content_type,
                        "is_encrypted": file.is_encrypted,
                        "sha256": file.sha256,
                        "created_at": rfc3339(file.created_at),
                    }
                    for file in files
                ],
            )

    async def erased(self, user_id: str) -> AsyncIterator[int]:
        """See `Belongings.erased`."""
        removed = _ERASED
        while removed == _ERASED:
            removed = await self._files.erase_owned(user_id, limit=_ERASED)
            yield removed
