"""How what happens to files is written down, and who acts."""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from secureconnect.features.audit.api import Audit, AuditEntry, Result
from secureconnect.features.files import rules, store
from secureconnect.features.files.api import FileRecord
from secureconnect.features.files.rules import Refused
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Caller", "FileMetrics", "Journal"]


class Caller(Struct, frozen=True):
    """Who acts, and from where."""

    principal: Principal
    context: RequestContext

    @property
    def user_id(self) -> str:
        """The acting user."""
        return self.principal.user_id


class FileMetrics(Protocol):
    """Counts what happens to files."""

    def upload_ended(self, result: str) -> None:
        """One upload: `completed`, `failed` or `expired`."""

    def upload_rejected(self, reason: Refused) -> None:
        """One upload that was not admitted."""

    def cleaned_up(self, *, ok: bool) -> None:
        """One object that was removed by the sweeper, or could not be."""

    def stored(self, size: int) -> None:
        """The bytes of all completed files."""


class Journal:
    """Audit records and counters of files."""

    def __init__(
        self, database: Database, audit: Audit, metrics: FileMetrics, denials: Callable[[str], None]
    ) -> None:
        self._database = database
        self._audit = audit
        self._metrics = metrics
        self._denials = denials

    async def owned(self, caller: Caller, file_id: str) -> FileRecord:
        """A file of the caller's own, in any state but deleted.

        Raises:
            ApiError: `NOT_FOUND`.
        """
        record = await self._database.lookup(lambda conn: store.find(conn, file_id))
        if record is None or record.status == "deleted":
            raise rules.not_found()
        if record.owner_id != caller.user_id:
            raise rules.not_found(file_id)
        return record

    def denied(self, caller: Caller, file_id: str, action: str) -> None:
        """A refusal of one of several files, of which the edge does not hear."""
        self._denials("file")
        details = {"action": action, "code": ErrorCode.NOT_FOUND.name}
        self._audit.record(_entry(caller, "permission_denied", file_id, "denied", None, details))

    def rejected(self, error: ApiError) -> None:
        """An upload was not admitted."""
        reasons: dict[str, Refused] = {"file_name": "name", "file_size": "size", "content_type": "type"}
        if error.code is ErrorCode.QUOTA_EXCEEDED:
            self._metrics.upload_rejected("quota")
        elif error.code is ErrorCode.VALIDATION_ERROR:
            for detail in error.details:
                if detail.field in reasons:
                    self._metrics.upload_rejected(reasons[detail.field])

    def ended_in(self, tx: WriteTx, result: str) -> None:
        """Count the end of an upload once it is committed."""
        tx.after_commit(lambda: self._metrics.upload_ended(result))

    def record_in(
        self,
        tx: WriteTx,
        event: str,
        caller: Caller | None,
        file: FileRecord,
        *,
        result: Result = "success",
        reason: str | None = None,
    ) -> None:
        """What happened to a file; without a caller the system did it."""
        details = {
            "file_name": file.file_name,
            "file_size": str(file.file_size),
            "content_type": file.content_type,
            "owner": file.owner_id,
        }
        self._audit.record_in(tx, _entry(caller, event, file.file_id, result, reason, details))


def _entry(
    caller: Caller | None,
    event: str,
    file_id: str,
    result: Result,
    reason: str | None,
    details: dict[str, str],
) -> AuditEntry:
    return AuditEntry(
        event=event,
        result=result,
        reason=reason,
        actor_id=caller.user_id if caller is not None else None,
        actor_type=caller.principal.kind if caller is not None else "system",
        session_id=caller.principal.session_id if caller is not None else None,
        target_type="file",
        target_id=file_id,
        context=caller.context if caller is not None else None,
        details=details,
    )
