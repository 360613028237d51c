"""Who may read what, and what messages may attach: implements `files.api.Files`."""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Connection

from secureconnect.features.conversations.api import Conversations
from secureconnect.features.files import rules, store
from secureconnect.features.files.api import FileRecord, FileStatus
from secureconnect.features.files.rules import FileLimits
from secureconnect.features.files.service.ledger import Ledger
from secureconnect.features.files.service.objects import Objects
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline.base import AttachedFile, Statement, Trimmed
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Readers"]


class Readers:
    """Implements `files.api.Files`, and `conversations.api.Purged` for what messages attach."""

    def __init__(
        self,
        database: Database,
        conversations: Conversations,
        clock: Clock,
        ledger: Ledger,
        objects: Objects,
        limits: FileLimits,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._clock = clock
        self._ledger = ledger
        self._objects = objects
        self._limits = limits

    def attachable_in(self, conn: Connection, user_id: str, file_ids: Sequence[str]) -> list[FileRecord]:
        found = store.find_many(conn, file_ids)
        files = [file for file_id in file_ids if (file := found.get(file_id)) is not None]
        hidden = next((file.file_id for file in files if file.owner_id != user_id), None)
        if hidden is not None:
            raise rules.not_found(hidden)
        if len(files) < len(file_ids) or any(file.status in {"failed", "deleted"} for file in files):
            raise rules.not_found()
        if any(file.status == "uploading" for file in files):
            raise ApiError(ErrorCode.FILE_NOT_READY)
        return files

    def readable_in(self, conn: Connection, user_id: str, file_ids: Sequence[str]) -> list[FileRecord]:
        files = [file for file in store.find_many(conn, file_ids).values() if file.status == "completed"]
        foreign = [file.file_id for file in files if file.owner_id != user_id]
        windows = store.windows(conn, foreign) if foreign else {}
        asked = {conversation_id for window in windows.values() for conversation_id in window}
        sees = self._conversations.visible_from_in(conn, user_id, asked) if asked else {}
        readable = {
            file.file_id: file
            for file in files
            if file.owner_id == user_id
            or any(
                conversation_id in sees and seq >= sees[conversation_id]
                for conversation_id, seq in windows.get(file.file_id, {}).items()
            )
        }
        return [readable[file_id] for file_id in file_ids if file_id in readable]

    def grant_statements(
        self, conversation_id: str, message_id: str, attached: Sequence[AttachedFile]
    ) -> Sequence[Statement]:
        return store.grant_statements(conversation_id, message_id, attached)

    async def attached_now(self, file_ids: Sequence[str]) -> list[AttachedFile]:
        found = await self._database.lookup(lambda conn: store.find_many(conn, file_ids))
        if any(file_id not in found or found[file_id].status != "completed" for file_id in file_ids):
            raise rules.not_found()
        return [found[file_id].attached for file_id in file_ids]

    def grant_in(
        self, tx: WriteTx, conversation_id: str, message_id: str, seq: int, file_ids: Sequence[str]
    ) -> None:
        found = store.find_many(tx.conn, file_ids)
        if any(file_id not in found or found[file_id].status != "completed" for file_id in file_ids):
            raise rules.not_found()
        store.replace_grants(tx, conversation_id, message_id, seq, list(dict.fromkeys(file_ids)))

    def revoke_in(self, tx: WriteTx, message_id: str) -> None:
        store.revoke_message(tx, message_id)

    def purged_in(self, tx: WriteTx, trimmed: Trimmed) -> None:
        """See `conversations.api.Purged`."""
        store.revoke_messages(tx, trimmed.message_ids)

    def stored_bytes_in(self, conn: Connection) -> int:
        return store.completed_bytes(conn)

    def used_in(self, conn: Connection, user_ids: Collection[str]) -> dict[str, int]:
        sums = store.sums_of(conn, user_ids)
        return {user_id: one.completed + one.pending for user_id, one in sums.items()}

    def quota(self, own: int | None) -> int:
        return self._limits.quota_bytes if own is None else own

    def owned_in(self, conn: Connection, user_id: str, *, after: str | None, limit: int) -> list[FileRecord]:
        return store.owned_after(conn, user_id, ("completed",), after=after, limit=limit)

    async def erase_owned(self, user_id: str, *, limit: int) -> int:
        now = self._clock.now()

        def work(tx: WriteTx) -> list[FileRecord]:
            files = store.owned_after(tx.conn, user_id, _ANY, after=None, limit=limit)
            shown = self._conversations.avatars_among_in(tx.conn, [file.file_id for file in files])
            for file in files:
                self._ledger.forget_in(tx, file, now, shown=file.file_id in shown)
            if len(files) < limit:
                store.forget_user(tx, user_id)
            return files

        files = await self._database.write(work)
        for file in files:
            await self._objects.discard(file)
        if len(files) < limit:
            await self._objects.remove_avatars(user_id)
        return len(files)


_ANY: Final[tuple[FileStatus, ...]] = ("uploading", "completed", "failed", "deleted")
