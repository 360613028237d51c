"""Every change of a file's state, together with what it means for its owner's quota (invariant I8)."""

from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.features.files import rules, store
from secureconnect.features.files.api import FileRecord, Usage
from secureconnect.features.files.rules import FileLimits
from secureconnect.features.files.service.journal import Caller, Journal
from secureconnect.features.files.store import NewFile
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.outbox.base import Job, Outbox
from secureconnect.infra.timeline.base import Timeline

__all__ = ["Ledger", "Removal", "ThumbnailWanted"]

# An upload that began while its URL was good may take this long to end, in milliseconds: what it leaves under
# the key of a file that is gone is removed then.
_LATE: Final = 300_000
# How long a removal is tried, in seconds; the sweeper of strays finds what is left.
_STUBBORN: Final = 30 * 86_400.0
# Messages per statement.
_CHUNK: Final = 500


class Removal(Struct, frozen=True):
    """A job: remove these objects, not before a time in milliseconds since the epoch."""

    keys: list[str]
    not_before: int = 0


class ThumbnailWanted(Struct, frozen=True):
    """A job: shrink a picture."""

    file_id: str


class Ledger:
    """Runs inside the transactions of others; all writes to `files` and `storage_usage` meet here."""

    def __init__(
        self, users: Users, timeline: Timeline, outbox: Outbox, journal: Journal, limits: FileLimits
    ) -> None:
        self._users = users
        self._timeline = timeline
        self._outbox = outbox
        self._journal = journal
        self._limits = limits

    def usage_in(self, conn: Connection, user_id: str) -> tuple[Usage, int]:
        """What a user takes of which quota, and how many uploads run."""
        sums = store.sums(conn, user_id)
        own = self._users.storage_quota_in(conn, user_id)
        total = self._limits.quota_bytes if own is None else own
        return Usage(sums.completed, sums.pending, total), sums.pending_count

    def admit_in(self, tx: WriteTx, caller: Caller, file: NewFile) -> FileRecord:
        """Store a file that is about to be uploaded.

        Raises:
            ApiError: `LIMIT_REACHED` or `QUOTA_EXCEEDED`.
        """
        usage, running = self.usage_in(tx.conn, file.owner_id)
        rules.check_admission(self._limits, usage, running, file.file_size)
        store.insert_file(tx, file)
        store.add(tx, file.owner_id, pending=file.file_size, pending_count=1)
        record = _stored(tx, file.file_id)
        self._journal.record_in(tx, "file_upload_requested", caller, record)
        return record

    def complete_in(
        self, tx: WriteTx, caller: Caller, file: FileRecord, sha256: str | None, now: int
    ) -> FileRecord:
        """The object of a file that is uploading was verified."""
        size = file.file_size
        store.set_completed(tx, file.file_id, sha256=sha256, now=now)
        store.add(tx, file.owner_id, completed=size, pending=-size, pending_count=-1)
        self._journal.record_in(tx, "file_upload_completed", caller, file)
        self._journal.ended_in(tx, "completed")
        if rules.may_have_thumbnail(self._limits, file):
            self._outbox.enqueue_in(tx, Job("thumbnail", ThumbnailWanted(file.file_id)))
        return _stored(tx, file.file_id)

    def fail_in(self, tx: WriteTx, caller: Caller | None, file: FileRecord, reason: str, now: int) -> None:
        """An upload came to nothing; `reason` is `expired`, or what was wrong. Its quota is free again."""
        store.set_gone(tx, file.file_id, "failed", now)
        store.add(tx, file.owner_id, pending=-file.file_size, pending_count=-1)
        self._remove_in(tx, file, now)
        expired = reason == "expired"
        event = "file_upload_expired" if expired else "file_upload_failed"
        self._journal.record_in(tx, event, caller, file, result="failure", reason=reason)
        self._journal.ended_in(tx, "expired" if expired else "failed")

    def delete_in(self, tx: WriteTx, caller: Caller, file: FileRecord, now: int) -> None:
        """A completed file is gone for everybody, and its quota is free again."""
        self._detach_in(tx, file.file_id)
        store.set_gone(tx, file.file_id, "deleted", now)
        store.add(tx, file.owner_id, completed=-file.file_size)
        self._remove_in(tx, file, now)
        self._journal.record_in(tx, "file_deleted", caller, file)

    def forget_in(self, tx: WriteTx, file: FileRecord, now: int, *, shown: bool) -> None:
        """Nothing is left of a file, in whatever state it is, not even that there was one.

        Of a file that a group shows a picture of (`shown`) a blank row stays.
        """
        self._detach_in(tx, file.file_id)
        if file.status == "uploading":
            store.add(tx, file.owner_id, pending=-file.file_size, pending_count=-1)
        elif file.status == "completed":
            store.add(tx, file.owner_id, completed=-file.file_size)
        self._remove_in(tx, file, now)
        if shown:
            store.blank_row(tx, file.file_id, now)
        else:
            store.delete_row(tx, file.file_id)

    def thumbnail_in(self, tx: WriteTx, file_id: str) -> bool:
        """Messages that carry the file show its thumbnail. False when the file is gone."""
        if not store.set_thumbnail(tx, file_id):
            return False
        for chunk in _chunks(store.messages_with(tx.conn, file_id)):
            self._timeline.set_attachment_in(tx, chunk, file_id, has_thumbnail=True)
        return True

    def _detach_in(self, tx: WriteTx, file_id: str) -> None:
        for chunk in _chunks(store.messages_with(tx.conn, file_id)):
            self._timeline.set_attachment_in(tx, chunk, file_id, has_thumbnail=False, available=False)
        store.revoke_file(tx, file_id)

    def _remove_in(self, tx: WriteTx, file: FileRecord, now: int) -> None:
        """Whoever ends a file removes its objects right after the commit; this makes sure of it, and catches
        what an upload that was still running leaves."""
        at = max(file.expires_at or now, now) + _LATE
        removal = Removal([file.object_key, rules.thumbnail_key(file.file_id)], at)
        delay = (at - now) / 1000
        self._outbox.enqueue_in(tx, Job("delete_objects", removal, delay=delay, max_age=_STUBBORN))


def _chunks(messages: list[str]) -> list[list[str]]:
    return [messages[start : start + _CHUNK] for start in range(0, len(messages), _CHUNK)]


def _stored(tx: WriteTx, file_id: str) -> FileRecord:
    record = store.find(tx.conn, file_id)
    assert record is not None
    return record
