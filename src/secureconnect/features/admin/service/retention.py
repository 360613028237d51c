"""Old events go, as each conversation or the server decides (docs/reference/data.md §7)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.features.admin import rules
from secureconnect.features.admin.service.trail import Admin, Trail
from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.conversations.api import Catalogue, Purged
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline.base import Timeline, Trimmed
from secureconnect.kit.clock import Clock

__all__ = ["Removed", "Retention", "RetentionLimits"]

_DAY_MS: Final = 24 * 3600 * 1000
_BATCH: Final = 1000
_CONVERSATIONS: Final = 1000


class RetentionLimits(Struct, frozen=True):
    """The `retention.*` settings in days; 0 is for good."""

    default_days: int = 0
    max_days: int = 0


class Removed(Struct, frozen=True):
    """What went, or would go: `files` is how often a file was attached, `bytes` leaves their content out."""

    conversations: int = 0
    events: int = 0
    files: int = 0
    bytes: int = 0

    def plus(self, trimmed: Sequence[Trimmed]) -> "Removed":
        """With what went from one more conversation."""
        return Removed(
            self.conversations + 1,
            self.events + sum(one.events for one in trimmed),
            self.files + sum(one.files for one in trimmed),
            self.bytes + sum(one.bytes for one in trimmed),
        )


class _Looked(NamedTuple):
    """Conversations with old events among some, and the last one looked at, if there may be more."""

    found: list[str]
    last: str | None


class Retention:
    """Removes what is older than its conversation keeps it.

    In batches, each in a transaction of its own that reads the limit again: what a conversation decides
    meanwhile counts. Passes run one after the other, so that their figures do not share what went.
    """

    def __init__(
        self,
        *,
        database: Database,
        timeline: Timeline,
        catalogue: Catalogue,
        purged: Sequence[Purged],
        audit: Audit,
        trail: Trail,
        clock: Clock,
        limits: RetentionLimits,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._catalogue = catalogue
        self._purged = purged
        self._audit = audit
        self._trail = trail
        self._clock = clock
        self._limits = limits
        self._turn = asyncio.Lock()

    async def run(self, admin: Admin, *, dry_run: bool) -> Removed:
        """Remove what is old, or only say what that is."""
        removed = await self._pass(dry_run=dry_run)
        details = {"dry_run": "true" if dry_run else "false", **_figures(removed)}
        await self._database.write(lambda tx: self._trail.did_in(tx, "retention_run", admin, None, details))
        return removed

    async def sweep(self) -> int:
        """Remove what is old; returns how many events."""
        removed = await self._pass(dry_run=False)
        if removed.events:
            entry = AuditEntry(
                event="retention_run", actor_type="system", target_type="server", details=_figures(removed)
            )
            await self._database.write(lambda tx: self._audit.record_in(tx, entry))
        return removed.events

    async def _pass(self, *, dry_run: bool) -> Removed:
        async with self._turn:
            now, removed = self._clock.now(), Removed()
            async for conversation_id in self._with_old_events(now):
                trimmed = [one async for one in self._batches(conversation_id, now, dry_run=dry_run)]
                if trimmed:
                    removed = removed.plus(trimmed)
            return removed

    async def _with_old_events(self, now: int) -> AsyncIterator[str]:
        last: str | None = ""
        while last is not None:
            found, last = await self._database.read(partial(self._look, last, now))
            for conversation_id in found:
                yield conversation_id

    def _look(self, after: str, now: int, conn: Connection) -> _Looked:
        entries = self._catalogue.after_in(conn, after, _CONVERSATIONS)
        found = []
        for entry in entries:
            before = self._before(entry.message_retention_days, now)
            if before is None:
                continue
            key = entry.conversation_id
            if self._timeline.stale_in(conn, key, before, after_seq=0, limit=1).events:
                found.append(key)
        return _Looked(found, entries[-1].conversation_id if len(entries) == _CONVERSATIONS else None)

    async def _batches(self, conversation_id: str, now: int, *, dry_run: bool) -> AsyncIterator[Trimmed]:
        last_seq = 0
        while True:
            if dry_run:
                batch = await self._database.read(partial(self._stale_in, conversation_id, now, last_seq))
            else:
                batch = await self._database.write(partial(self._trim_in, conversation_id, now))
            if batch.events:
                yield batch
            if batch.events < _BATCH:
                return
            last_seq = batch.last_seq

    def _stale_in(self, conversation_id: str, now: int, after_seq: int, conn: Connection) -> Trimmed:
        before = self._before_in(conn, conversation_id, now)
        if before is None:
            return Trimmed(conversation_id, 0, 0, (), 0, 0)
        return self._timeline.stale_in(conn, conversation_id, before, after_seq=after_seq, limit=_BATCH)

    def _trim_in(self, conversation_id: str, now: int, tx: WriteTx) -> Trimmed:
        before = self._before_in(tx.conn, conversation_id, now)
        if before is None:
            return Trimmed(conversation_id, 0, 0, (), 0, 0)
        trimmed = self._timeline.trim_in(tx, conversation_id, before, _BATCH)
        if trimmed.message_ids:
            for feature in self._purged:
                feature.purged_in(tx, trimmed)
        return trimmed

    def _before_in(self, conn: Connection, conversation_id: str, now: int) -> int | None:
        entry = self._catalogue.find_in(conn, conversation_id)
        return self._before(entry.message_retention_days, now) if entry is not None else None

    def _before(self, own_days: int, now: int) -> int | None:
        days = rules.days_kept(own_days, self._limits.default_days, self._limits.max_days)
        return now - days * _DAY_MS if days else None


def _figures(removed: Removed) -> dict[str, str]:
    return {name: str(getattr(removed, name)) for name in Removed.__struct_fields__}
