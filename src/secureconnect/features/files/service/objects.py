"""Removing objects: at once where the store answers, by a job where it does not, and strays in the end."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from secureconnect.features.conversations.api import Conversations
from secureconnect.features.files import rules, store
from secureconnect.features.files.api import FileRecord
from secureconnect.features.files.service.journal import FileMetrics
from secureconnect.features.files.service.ledger import Removal
from secureconnect.features.users.api import Users
from secureconnect.infra.blobs.base import Blobs, ObjectEntry
from secureconnect.infra.database.base import Database
from secureconnect.infra.outbox.base import RetryLater, Work
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError

__all__ = ["Objects"]

log = get_logger()

#: How long an object may lie without a row: the row is written first, and an avatar's last.
_STRAY_MS: Final = 24 * 3600 * 1000
_BATCH: Final = 500


class Objects:
    """Removes what no file, and no avatar, has any more."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        users: Users,
        conversations: Conversations,
        metrics: FileMetrics,
        clock: Clock,
        *,
        multipart_ttl: int,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._users = users
        self._conversations = conversations
        self._metrics = metrics
        self._clock = clock
        self._multipart_ms = multipart_ttl * 1000

    async def discard(self, file: FileRecord) -> None:
        """Remove the objects of a file that is gone, and the upload that may run; a job does it otherwise."""
        try:
            if file.upload_id is not None:
                await self._blobs.abort_multipart(file.object_key, file.upload_id)
            await self._blobs.delete([file.object_key, rules.thumbnail_key(file.file_id)])
        except ApiError as error:
            log.warning("objects could not be removed yet", error_code=error.code.name)

    async def remove(self, work: Work) -> None:
        """A handler of the outbox's `delete_objects`."""
        removal = work.decode(Removal)
        wait = removal.not_before - self._clock.now()
        if wait > 0:  # after a restart jobs come early
            raise RetryLater("an upload may still end", wait / 1000)
        await self._delete(removal.keys)

    async def sweep(self) -> int:
        """Remove objects without a row that are a day old; returns how many."""
        before = self._clock.now() - _STRAY_MS
        removed = 0
        for prefix in ("users/", "thumbs/", "avatars/"):
            batch: list[ObjectEntry] = []
            async for entry in self._blobs.entries(prefix):
                if entry.modified_at < before:
                    batch.append(entry)
                if len(batch) == _BATCH:
                    removed += await self._remove_strays(batch)
                    batch = []
            removed += await self._remove_strays(batch)
        # No upload takes longer than this.
        await self._blobs.forget_unfinished(min(before, self._clock.now() - 2 * self._multipart_ms))
        return removed

    async def avatar_dropped(self, owner_id: str, file_id: str) -> None:
        """Remove an avatar's object when nobody shows it any more."""
        key = rules.avatar_key(owner_id, file_id)
        try:
            if key not in await self._shown([key]):
                await self._blobs.delete([key])
        except ApiError as error:
            log.warning("an avatar is left to the sweeper", error_code=error.code.name)

    async def remove_avatars(self, owner_id: str) -> None:
        """Remove the avatars made of a user's files, apart from those that a conversation shows."""
        found = [entry.key async for entry in self._blobs.entries(f"avatars/{owner_id}/")]
        used = await self._database.read(
            lambda conn: self._conversations.avatars_among_in(conn, [_name(key) for key in found])
        )
        await self._blobs.delete([key for key in found if _name(key) not in used])

    async def _remove_strays(self, batch: list[ObjectEntry]) -> int:
        if not batch:
            return 0
        ids = {_name(entry.key) for entry in batch}
        rows = await self._database.read(lambda conn: store.find_many(conn, ids))
        shown = await self._shown([entry.key for entry in batch if entry.key.startswith("avatars/")])
        strays = []
        for entry in batch:
            kind, row = entry.key.partition("/")[0], rows.get(_name(entry.key))
            if kind == "avatars":
                wanted = entry.key in shown
            elif kind == "thumbs":
                wanted = row is not None and row.status == "completed"
            else:
                wanted = row is not None and row.status in {"uploading", "completed"}
            if not wanted:
                strays.append(entry.key)
        await self._delete(strays)
        return len(strays)

    async def _shown(self, keys: Sequence[str]) -> set[str]:
        """Those avatars that their maker or a conversation shows."""
        owners = {key: key.split("/")[1] for key in keys}

        def find(conn: Connection) -> set[str]:
            own = self._users.avatars_in(conn, set(owners.values()))
            groups = self._conversations.avatars_among_in(conn, [_name(key) for key in keys])
            return {key for key in keys if _name(key) in groups or own.get(owners[key]) == _name(key)}

        return await self._database.read(find) if keys else set()

    async def _delete(self, keys: list[str]) -> None:
        try:
            if keys:
                await self._blobs.delete(keys)
        except ApiError:
            for _ in keys:
                self._metrics.cleaned_up(ok=False)
            raise
        for _ in keys:
            self._metrics.cleaned_up(ok=True)


def _name(key: str) -> str:
    return key.rpartition("/")[2]
