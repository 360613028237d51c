"""Everything about one person in one archive."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from secureconnect.features.files.api import FileRecord, Files
from secureconnect.features.privacy.api import Belongings
from secureconnect.features.privacy.service.archive import Archive, safe_name
from secureconnect.infra.blobs.base import Blobs, ObjectMissing
from secureconnect.infra.database.base import Database
from secureconnect.kit.clock import Clock, rfc3339

__all__ = ["ALWAYS", "Exporter"]

_BATCH: Final = 200

#: The files that are in every archive, be they empty, and what they hold.
ALWAYS: Final = {
    "profile.json": "your account as the server keeps it",
    "sessions.json": "where you are or were logged in: device, address, times",
    "friends.json": "your friends and open requests",
    "blocks.json": "whom you blocked",
    "memberships.json": "the conversations that you are in",
    "messages.json": "what you wrote, with its latest text; encrypted messages as the server has them",
    "reactions.json": "your reactions to messages",
    "votes.json": "your votes in polls",
    "notifications.json": "your inbox",
    "audit_records.json": "what the server recorded of your actions",
    "drafts.json": "texts that you did not send yet",
    "files.json": "your files; their bytes are in files/<file_id>/",
}
_MORE: Final = {
    "bans.json": "times in which you were kept out",
    "bots.json": "your bots",
    "exports.json": "earlier exports",
    "followed_threads.json": "threads that you follow or left",
    "hidden_messages.json": "messages that you deleted for yourself",
    "notification_preferences.json": "what you want to be told",
    "passkeys.json": "your passkeys, by name",
    "push_tokens.json": "devices that get your notifications",
    "reports.json": "what you reported",
    "scheduled_messages.json": "messages that wait for their time",
    "second_factor.json": "since when you have a second factor",
    "sign_ins.json": "accounts elsewhere that you log in with",
    "webhooks.json": "webhooks that you made",
}


class Exporter:
    """Writes archives. What happens meanwhile may be in them or not."""

    def __init__(
        self, database: Database, blobs: Blobs, files: Files, belongings: Sequence[Belongings], clock: Clock
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._files = files
        self._belongings = tuple(belongings)
        self._clock = clock

    async def write(self, user_id: str, path: str) -> dict[str, int]:
        """Write the archive of a person to the file at `path`; returns the number of rows by file.

        Raises:
            OSError: it cannot be written.
            ApiError: a store does not answer.
        """
        archive = Archive(path)
        try:
            for each in self._belongings:
                async for name, rows in each.exported(user_id):
                    await archive.rows(name, rows)
            for name in ALWAYS.keys() - archive.counts.keys():
                await archive.rows(name, [])
            missing = await self._bytes(user_id, archive)
            await archive.text("README.txt", self._readme(user_id, archive.counts, missing))
            await archive.close()
        finally:
            archive.abandon()
        return dict(sorted(archive.counts.items()))

    async def _bytes(self, user_id: str, archive: Archive) -> list[str]:
        """Add the bytes of all files; returns the ids of those that are not in the store."""
        missing: list[str] = []
        after: str | None = None

        def read(conn: Connection) -> list[FileRecord]:
            return self._files.owned_in(conn, user_id, after=after, limit=_BATCH)

        while files := await self._database.read(read):
            after = files[-1].file_id
            for file in files:
                name = f"files/{file.file_id}/{safe_name(file.file_name)}"
                if await self._blobs.stat(file.object_key) is None:
                    missing.append(file.file_id)
                    continue
                try:
                    await archive.file(name, self._blobs.chunks(file.object_key))
                except ObjectMissing:  # deleted between the two questions
                    missing.append(file.file_id)
        return missing

    def _readme(self, user_id: str, counts: dict[str, int], missing: Sequence[str]) -> str:
        told = ALWAYS | _MORE
        lines = [
            "This archive holds what a SecureConnect server keeps about you.",
            "",
            f"Your id there: {user_id}",
            f"Made at: {rfc3339(self._clock.now())}",
            "",
            "Every .json file is a list of entries and opens in any text editor. Times are UTC; ids name",
            "conversations, messages, files and people. Passwords, tokens and keys are not in it.",
            "",
            *(f"{name:<32}{told.get(name, '')} ({count})" for name, count in sorted(counts.items())),
            f"{'files/':<32}the bytes of your files, each in a folder named after its id",
        ]
        if missing:
            lines += ["", "These files were not found in the store:", *missing]
        return "\n".join(lines) + "\n"
