"""One's own files, the quota, and the end of a file."""

from msgspec import Struct

from secureconnect.features.files import rules, store
from secureconnect.features.files.api import FileRecord, FileStatus, Usage
from secureconnect.features.files.service.journal import Caller, Journal
from secureconnect.features.files.service.ledger import Ledger
from secureconnect.features.files.service.objects import Objects
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.pagination import Page

__all__ = ["Filter", "Holdings"]


class Filter(Struct, frozen=True):
    """Which files: in one state, of types that begin with `content_type`."""

    status: FileStatus
    content_type: str | None


class Holdings:
    """What a user has uploaded."""

    def __init__(
        self, database: Database, clock: Clock, ledger: Ledger, objects: Objects, journal: Journal
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._objects = objects
        self._journal = journal

    async def listed(
        self, user_id: str, wanted: Filter, *, before: str | None, limit: int
    ) -> Page[FileRecord]:
        """The user's own files, newest first, below the id `before`."""
        found = await self._database.read(
            lambda conn: store.list_owned(
                conn,
                user_id,
                status=wanted.status,
                content_type=wanted.content_type,
                before=before,
                limit=limit + 1,
            )
        )
        more = len(found) > limit
        return Page(found[:limit], (found[limit - 1].file_id,) if more else None)

    async def usage(self, user_id: str) -> Usage:
        """What the user's files take."""
        return await self._database.lookup(lambda conn: self._ledger.usage_in(conn, user_id)[0])

    async def delete(self, caller: Caller, file_id: str) -> None:
        """Delete a file of the caller's, or give up an upload that runs. Its quota is free at once.

        Raises:
            ApiError: `NOT_FOUND`, also for uploads that failed: nothing is left of them.
        """
        await self._journal.owned(caller, file_id)
        now = self._clock.now()

        def work(tx: WriteTx) -> FileRecord:
            file = store.find(tx.conn, file_id)
            if file is not None and file.status == "completed":
                self._ledger.delete_in(tx, caller, file, now)
            elif file is not None and file.status == "uploading":
                self._ledger.fail_in(tx, caller, file, "cancelled", now)
            else:
                raise rules.not_found()
            return file

        await self._objects.discard(await self._database.write(work))
