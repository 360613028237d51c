"""Writing and reading the audit trail."""

import asyncio
from collections import deque
from functools import partial
from typing import Final, Protocol

import msgspec
from sqlalchemy import Connection

from secureconnect.features.audit import store
from secureconnect.features.audit.api import AuditEntry
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_time_id
from secureconnect.kit.pagination import Page
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["AuditMetrics", "AuditService"]

log = get_logger()

_QUEUED: Final = 10_000
_DAY_MS: Final = 24 * 3600 * 1000
_BATCH: Final = 1000
_RESOURCES: Final = {
    "conversations": "conversation",
    "messages": "message",
    "admin": "admin",
    "calls": "call",
    "ws": "conversation",
}
_DENIALS: Final = {
    ErrorCode.INSUFFICIENT_SCOPE: "scope_denied",
    ErrorCode.ORIGIN_NOT_ALLOWED: "origin_denied",
}


class AuditMetrics(Protocol):
    """Counts records and denials."""

    def audited(self, event: str, result: str) -> None:
        """One record."""

    def denied(self, resource: str) -> None:
        """One refused access."""


class AuditService:
    """Implements `audit.api.Audit` and `edge.access.Denials`.

    Records of actions commit with the action. Denials and failures go through a bounded queue that blocks
    nobody; what does not fit or cannot be written is counted as `lost`.
    """

    def __init__(
        self, database: Database, metrics: AuditMetrics, clock: Clock, *, retention_days: int
    ) -> None:
        self._database = database
        self._metrics = metrics
        self._clock = clock
        self._retention_ms = retention_days * _DAY_MS
        self._queue: deque[store.AuditRow] = deque()
        self._wake = asyncio.Event()
        self._stopping = False
        self._writer: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to write what is queued."""
        self._writer = asyncio.create_task(self._drain(), name="audit writer")

    async def stop(self) -> None:
        """Write what is still queued, then stop."""
        self._stopping = True
        self._wake.set()
        if self._writer is not None:
            await self._writer
        await self._flush()

    def record_in(self, tx: WriteTx, entry: AuditEntry) -> None:
        row = self._row(entry)
        store.append(tx, [row])
        tx.after_commit(lambda: self._written(row))

    def record(self, entry: AuditEntry) -> None:
        if len(self._queue) >= _QUEUED:
            self._metrics.audited(entry.event, "lost")
            return
        self._queue.append(self._row(entry))
        self._wake.set()

    def denied(self, principal: Principal, context: RequestContext, action: str, error: ApiError) -> None:
        segment = action.partition("/v1/")[2].partition("/")[0]
        resource = _RESOURCES.get(segment, "conversation" if action.startswith("socket") else "other")
        if error.hidden_file is not None:
            resource = "file"
        self._metrics.denied(resource)
        self.record(
            AuditEntry(
                event=_DENIALS.get(error.code, "permission_denied"),
                result="denied",
                actor_id=principal.user_id,
                actor_type=principal.kind,
                session_id=principal.session_id,
                target_type="file" if error.hidden_file is not None else None,
                target_id=error.hidden_file,
                context=context,
                details={"action": action, "code": error.code.name},
            )
        )

    def details_in(self, conn: Connection, event: str, target_id: str) -> dict[str, str] | None:
        """See `audit.api.Receipts`."""
        found = store.page(conn, store.AuditFilter(event=event, target_id=target_id), after=None, limit=1)
        return msgspec.json.decode(found[0].details, type=dict[str, str]) if found else None

    async def page(
        self, wanted: store.AuditFilter, *, after: tuple[int, str] | None, limit: int
    ) -> tuple[Page[store.AuditRow], int]:
        """Records, newest first, and how many match in all."""
        rows, total = await self._database.read(
            lambda conn: (
                store.page(conn, wanted, after=after, limit=limit + 1),
                store.count(conn, wanted),
            )
        )
        more = len(rows) > limit
        last = rows[limit - 1] if more else None
        return Page(rows[:limit], (last.timestamp, last.audit_id) if last else None), total

    def viewed(self, caller: Principal, context: RequestContext, what: str) -> None:
        """Record that an administrator looked at something."""
        self.record(
            AuditEntry(
                event="admin_viewed",
                actor_id=caller.user_id,
                actor_type="admin",
                session_id=caller.session_id,
                target_type="server",
                context=context,
                details={"what": what},
            )
        )

    async def purge(self) -> int:
        """Delete records over the retention time, one batch; returns how many."""
        before = self._clock.now() - self._retention_ms
        return await self._database.write(lambda tx: store.purge(tx, before, _BATCH))

    async def _drain(self) -> None:
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            await self._flush()

    async def _flush(self) -> None:
        while self._queue:
            rows = [self._queue.popleft() for _ in range(min(len(self._queue), _BATCH))]
            try:
                await self._database.write(partial(store.append, rows=rows))
            except ApiError:
                self._lost(rows)
            except Exception:
                self._lost(rows)
                log.exception("audit records were lost", count=len(rows))
            else:
                for row in rows:
                    self._written(row)

    def _lost(self, rows: list[store.AuditRow]) -> None:
        for row in rows:
            self._metrics.audited(row.event, "lost")

    def _row(self, entry: AuditEntry) -> store.AuditRow:
        context = entry.context
        agent = context.user_agent if context is not None else None
        return store.AuditRow(
            audit_id=new_time_id(),
            timestamp=self._clock.now(),
            event=entry.event,
            result=entry.result,
            reason=entry.reason,
            actor_id=entry.actor_id,
            actor_type=entry.actor_type,
            session_id=entry.session_id,
            target_type=entry.target_type,
            target_id=entry.target_id,
            ip=context.client_ip if context is not None else None,
            user_agent=agent[:256] if agent is not None else None,
            request_id=context.request_id if context is not None else None,
            details=msgspec.json.encode(entry.details).decode(),
        )

    def _written(self, row: store.AuditRow) -> None:
        self._metrics.audited(row.event, row.result)
        log.info(
            "audit",
            audit=True,
            event_name=row.event,
            result=row.result,
            user_id=row.actor_id,
            session_id=row.session_id,
            target_type=row.target_type,
            target_id=row.target_id,
            request_id=row.request_id,
            client_ip=row.ip,
        )
