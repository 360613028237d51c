"""Asking for one's data: made by a job, kept for a week, then removed."""

import asyncio
import secrets
import shutil
from pathlib import Path
from typing import Final

from msgspec import Struct

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.privacy import rules, store
from secureconnect.features.privacy.rules import Export, ExportStatus
from secureconnect.features.privacy.service.exporting import Exporter
from secureconnect.infra.blobs.base import Blobs
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.outbox.base import Ending, Gone, Job, Outbox, Work
from secureconnect.kit.clock import Clock
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["ExportService", "SeenExport"]

_KEPT_MS: Final = 7 * 24 * 3600 * 1000
_ROWS_KEPT_MS: Final = 30 * 24 * 3600 * 1000
_STRAY_MS: Final = 24 * 3600 * 1000
_DOWNLOAD_SECONDS: Final = 900
_AT_ONCE: Final = 2
_TIMEOUT: Final = 3600.0
_MAX_AGE: Final = 86_400.0
_BATCH: Final = 200


class SeenExport(Struct, frozen=True):
    """An export as its owner sees it; `expires_at` in ms, with `download_url` only while it is ready."""

    export_id: str
    status: ExportStatus
    download_url: str | None
    expires_at: int | None


class _Wanted(Struct, frozen=True):
    export_id: str


class ExportService:
    """Exports of people's own data.

    Args:
        scratch: a directory of this process alone, where archives grow; made when it is missing.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        blobs: Blobs,
        exporter: Exporter,
        audit: Audit,
        clock: Clock,
        *,
        scratch: Path,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._blobs = blobs
        self._exporter = exporter
        self._audit = audit
        self._clock = clock
        self._scratch = scratch

    async def start(self) -> None:
        """Take the jobs of the outbox, which starts after this; what a killed process left goes."""
        await asyncio.to_thread(shutil.rmtree, self._scratch, True)
        self._outbox.handle("export", self._make, at_once=_AT_ONCE, timeout=_TIMEOUT, gave_up=self._gave_up)

    async def ask(self, caller: Principal, context: RequestContext) -> str:
        """Begin an export; returns its id.

        Raises:
            ApiError: `REQUEST_IN_PROGRESS` while one is being made, `RATE_LIMIT_EXCEEDED` within 24 hours.
        """
        now, export_id = self._clock.now(), new_id()

        def work(tx: WriteTx) -> None:
            rules.check_may_export(store.latest(tx.conn, caller.user_id), now)
            store.add(tx, Export(export_id, caller.user_id, "pending", None, now, None))
            self._outbox.enqueue_in(tx, Job("export", _Wanted(export_id), max_age=_MAX_AGE))
            self._record_in(tx, "export_requested", caller, context, export_id)

        await self._database.write(work)
        return export_id

    async def find(self, caller: Principal, context: RequestContext, export_id: str) -> SeenExport:
        """One of the caller's exports.

        Raises:
            ApiError: `NOT_FOUND`; `STORAGE_UNAVAILABLE` for one that is ready.
        """
        export = await self._database.lookup(lambda conn: store.find(conn, export_id))
        if export is None or export.user_id != caller.user_id:
            raise rules.no_export()
        status = rules.shown_status(export, self._clock.now())
        if status != "ready" or export.object_key is None:
            return SeenExport(export_id, status, None, export.expires_at)
        signed = await self._blobs.presign_get(
            export.object_key,
            file_name=f"secureconnect-export-{export_id}.zip",
            content_type="application/zip",
            expires_in=_DOWNLOAD_SECONDS,
        )
        await self._database.write(
            lambda tx: self._record_in(tx, "export_downloaded", caller, context, export_id)
        )
        return SeenExport(export_id, status, signed.url, export.expires_at)

    async def sweep(self) -> int:
        """Remove archives whose time is over, and strays; returns how many."""
        now = self._clock.now()
        old = await self._database.read(lambda conn: store.over(conn, now, _BATCH))
        for export in old:
            await self._blobs.delete([rules.object_key(export.user_id, export.export_id)])
            await self._database.write(
                lambda tx, export=export: store.change(  # type: ignore[misc]
                    tx, export.export_id, "expired", object_key=None, expires_at=export.expires_at
                )
            )
        await self._database.write(lambda tx: store.purge(tx, now - _ROWS_KEPT_MS, _BATCH))
        return len(old) + await self._remove_strays(now - _STRAY_MS)

    async def _remove_strays(self, before: int) -> int:
        removed = 0
        async for entry in self._blobs.entries("exports/"):
            export_id = entry.key.rpartition("/")[2].removesuffix(".zip")
            if entry.modified_at < before:
                row = await self._database.lookup(lambda conn, key=export_id: store.find(conn, key))  # type: ignore[misc]
                if row is None or row.object_key != entry.key:
                    await self._blobs.delete([entry.key])
                    removed += 1
        return removed

    async def _make(self, work: Work) -> None:
        """A handler of the outbox's `export`."""
        export_id = work.decode(_Wanted).export_id
        export = await self._database.read(lambda conn: store.find(conn, export_id))
        if export is None or export.status != "pending":
            raise Gone("not wanted any more")
        await asyncio.to_thread(self._scratch.mkdir, 0o700, parents=True, exist_ok=True)
        path = self._scratch / f"{export_id}.{secrets.token_hex(4)}.zip"
        key = rules.object_key(export.user_id, export_id)
        try:
            await self._exporter.write(export.user_id, str(path))
            await self._blobs.put_file(key, str(path), content_type="application/zip")
        finally:
            await asyncio.to_thread(path.unlink, True)
        expires_at = self._clock.now() + _KEPT_MS

        def done(tx: WriteTx) -> bool:
            self._outbox.finish_in(tx, work)
            return store.change(tx, export_id, "ready", object_key=key, expires_at=expires_at)

        if not await self._database.write(done):  # erased meanwhile
            await self._blobs.delete([key])

    def _gave_up(self, tx: WriteTx, work: Work, _: Ending, __: str) -> None:
        store.change(tx, work.decode(_Wanted).export_id, "failed", object_key=None, expires_at=None)

    def _record_in(
        self, tx: WriteTx, event: str, caller: Principal, context: RequestContext, export_id: str
    ) -> None:
        self._audit.record_in(
            tx,
            AuditEntry(
                event=event,
                actor_id=caller.user_id,
                session_id=caller.session_id,
                target_type="user",
                target_id=caller.user_id,
                context=context,
                details={"export_id": export_id},
            ),
        )
