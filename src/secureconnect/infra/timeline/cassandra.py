"""The Timeline in Cassandra, beside a relational store that holds everything else (ADR 0031)."""

import asyncio
import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

from sqlalchemy import Connection

from secureconnect.infra.database.base import BatchDatabase, WriteTx
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.timeline import cassandra_changes as changes
from secureconnect.infra.timeline import cassandra_personal as personal
from secureconnect.infra.timeline import cassandra_retention as retention
from secureconnect.infra.timeline import cassandra_scan as scan
from secureconnect.infra.timeline import cassandra_threads as threads
from secureconnect.infra.timeline import intents, remembered_sends
from secureconnect.infra.timeline.base import (
    AlreadySent,
    Appended,
    CommitListener,
    Deeds,
    Edit,
    GuardChanged,
    Head,
    NewEvent,
    Reacted,
    Statement,
    StoredEvent,
    StoredMessage,
    TimelineMetrics,
    Trimmed,
    Version,
)
from secureconnect.infra.timeline.cassandra_bridge import Bridge
from secureconnect.infra.timeline.cassandra_commits import Commits
from secureconnect.infra.timeline.cassandra_database import LogDatabase
from secureconnect.infra.timeline.cassandra_erase import erase
from secureconnect.infra.timeline.cassandra_link import Cluster, Link, QueryMetrics
from secureconnect.infra.timeline.cassandra_sends import Sender
from secureconnect.infra.timeline.cassandra_tx import LogTx
from secureconnect.infra.timeline.relational_purge import purge_dedup
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError

__all__ = ["CassandraTimeline", "StoreMetrics"]

log = get_logger()

_REPAIR: Final = 1.0  # seconds between looks at open intents


class StoreMetrics(QueryMetrics, Protocol):
    """Where measurements of the store go."""

    def intents_pending(self, count: int) -> None:
        """So many changes were decided and are not in the log, for seconds already."""


class CassandraTimeline:
    """A `Timeline` on a cluster whose tables were made.

    Transactions that call its `*_in` methods go through `database`, the one given here with what a
    transaction across both stores needs around it. `start` begins to finish what processes that died left
    behind.

    Args:
        database: the relational store of the same data.
        cluster: where the nodes are.
        on_commit: the commit listener; `listen` sets it later where it needs the timeline itself.
        metrics, store_metrics: told about appends, and about the cluster and open intents.
    """

    def __init__(
        self,
        database: BatchDatabase,
        cluster: Cluster,
        clock: Clock,
        on_commit: CommitListener | None = None,
        metrics: TimelineMetrics | None = None,
        store_metrics: StoreMetrics | None = None,
    ) -> None:
        self._listener = on_commit
        self._metrics = metrics
        self._store_metrics = store_metrics
        self._bridge = Bridge(cluster, store_metrics)
        self._near = self._bridge.near
        self._sink = self._committed  # bound once: neighbours are recognised by their sink
        self._commits = Commits(database, clock, self._sink)
        self._reader = self._commits.reader
        #: For every transaction of this product.
        self.database = LogDatabase(database, self._commits, self._bridge, clock)
        self._store = database
        self._sender = Sender(database, self.database, self._commits, self._near, clock, self._sink)
        self._repairing: asyncio.Task[None] | None = None

    def listen(self, on_commit: CommitListener) -> None:
        """Set the commit listener, before the first append."""
        self._listener = on_commit

    def start(self) -> None:
        """Finish open intents from now on, those of other processes too (docs/reference/data.md §6, I4)."""
        self._repairing = asyncio.create_task(self._repair_again())

    async def close(self) -> None:
        """Finish what was accepted, then release the connections."""
        if self._repairing is not None:
            self._repairing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._repairing
        await self._sender.close()
        with contextlib.suppress(ApiError):
            await self._commits.note_done()
        await self._bridge.close()

    async def ping(self) -> float:
        """Seconds that a trivial query took."""
        started = time.perf_counter()
        await self._reader.head(self._near, "-")  # nobody's
        return time.perf_counter() - started

    async def repair(self, *, older_than: int = 2_000) -> int:
        """Finish what was decided so many milliseconds ago and not done; returns how much is open then."""
        return await self._commits.repair(self._near, older_than)

    async def _repair_again(self) -> None:
        while True:
            try:
                pending = await self.repair()
                if self._store_metrics is not None:
                    self._store_metrics.intents_pending(pending)
            except ApiError as error:
                log.warning("open intents wait", code=error.code.value)
            except Exception:
                log.exception("open intents could not be finished")
            await asyncio.sleep(_REPAIR)

    def _committed(self, events: Sequence[StoredEvent]) -> None:
        if self._listener is not None and events:
            self._listener(events)

    async def append(self, event: NewEvent, *, guard: int, also: Sequence[Statement] = ()) -> Appended:
        started = time.perf_counter()
        try:
            appended = await self._sender.append(event, guard, also)
        except GuardChanged:
            raise
        except Exception as error:
            if self._metrics is not None:
                self._metrics.append_failed("unavailable" if isinstance(error, ApiError) else "other")
            raise
        if self._metrics is not None:
            self._metrics.appended(time.perf_counter() - started)
        return appended

    def open_in(self, tx: WriteTx, conversation_id: str) -> None:
        _logs(tx).open(conversation_id)

    def append_in(self, tx: WriteTx, event: NewEvent, *, also: Sequence[Statement] = ()) -> int:
        logs = _logs(tx)
        draft = logs.draft(event.conversation_id)
        if draft is None:
            raise GuardChanged
        key = remembered_sends.key_of(event)
        if key is not None:
            earlier = remembered_sends.find(tx, key)
            if earlier is not None:
                raise AlreadySent(earlier)
        stored = logs.append(draft, event)
        if key is not None:
            remembered_sends.remember(tx, key, event.event_id, stored.seq, event.sent_at)
        for statement in also:
            tx.run(statement.sql, (stored.seq, *statement.params))
        tx.deliver(self._sink, stored)
        return stored.seq

    def raise_guard_in(self, tx: WriteTx, conversation_id: str) -> None:
        draft = _logs(tx).draft(conversation_id)
        if draft is not None:
            draft.guard += 1

    def check_guard_in(self, tx: WriteTx, conversation_id: str, guard: int) -> None:
        logs = _logs(tx)
        draft = logs.draft(conversation_id)
        if draft is None:
            raise GuardChanged
        if draft.guard != guard:
            logs.settle(draft)
            raise GuardChanged

    def message_in(
        self, tx: WriteTx, message_id: str, *, viewer_id: str | None = None
    ) -> StoredMessage | None:
        return _logs(tx).message(message_id, viewer_id)

    def edit_in(self, tx: WriteTx, message: StoredMessage, edit: Edit) -> StoredMessage:
        return changes.edit_message(_logs(tx), message, edit)

    def delete_in(
        self, tx: WriteTx, message: StoredMessage, *, at: int, by: str | None, reason: str
    ) -> StoredMessage:
        return changes.delete_message(_logs(tx), message, at, by, reason)

    def react_in(self, tx: WriteTx, message_id: str, reaction: Reacted) -> bool:
        return changes.react(_logs(tx), message_id, reaction)

    def unreact_in(self, tx: WriteTx, message_id: str, user_id: str, emoji: str) -> bool:
        return changes.unreact(_logs(tx), message_id, user_id, emoji)

    def set_pinned_in(self, tx: WriteTx, message_id: str, *, pinned: bool) -> None:
        changes.set_pinned(_logs(tx), message_id, pinned)

    def set_attachment_in(
        self,
        tx: WriteTx,
        message_ids: Collection[str],
        file_id: str,
        *,
        has_thumbnail: bool | None = None,
        available: bool | None = None,
    ) -> None:
        marks = {"has_thumbnail": has_thumbnail, "available": available}
        given = {name: value for name, value in marks.items() if value is not None}
        logs = _logs(tx)
        absent = changes.set_attachment(logs, message_ids, file_id, given)
        if absent:
            # The rows of this transaction may know of a message that is decided and on its way into the log.
            for conversation_id in intents.bringing(tx, absent):
                draft = logs.draft(conversation_id)
                if draft is not None:
                    logs.settle(draft)
            changes.set_attachment(logs, absent, file_id, given)

    async def head(self, conversation_id: str) -> Head | None:
        return await self._reader.head(self._near, conversation_id)

    async def heads(self, conversation_ids: Collection[str]) -> dict[str, Head]:
        return await self._reader.heads(self._near, conversation_ids)

    async def events(
        self,
        conversation_id: str,
        *,
        after_seq: int | None = None,
        before_seq: int | None = None,
        limit: int,
    ) -> list[StoredEvent]:
        return await self._reader.events(self._near, conversation_id, after_seq, before_seq, limit)

    async def messages(
        self,
        conversation_id: str,
        *,
        from_seq: int = 1,
        before_seq: int | None = None,
        limit: int,
        viewer_id: str | None = None,
    ) -> list[StoredMessage]:
        return await self._reader.messages(
            self._near, conversation_id, from_seq, before_seq, limit, viewer_id
        )

    async def message(self, message_id: str, *, viewer_id: str | None = None) -> StoredMessage | None:
        return await self._reader.message(self._near, message_id, viewer_id)

    async def messages_by_id(
        self, message_ids: Collection[str], *, viewer_id: str | None = None
    ) -> dict[str, StoredMessage]:
        return await self._reader.messages_by_id(self._near, message_ids, viewer_id)

    async def thread(
        self, root_id: str, *, after_seq: int, limit: int, viewer_id: str | None = None
    ) -> list[StoredMessage]:
        return await threads.thread(self._near, root_id, after_seq, limit, viewer_id)

    async def thread_senders(self, root_id: str) -> list[str]:
        return await threads.thread_senders(self._near, root_id)

    async def thread_unread(self, root_id: str, user_id: str, after_seq: int, *, cap: int) -> int:
        return await threads.thread_unread(self._near, root_id, user_id, after_seq, cap)

    async def versions(self, message_id: str, *, after: int, limit: int) -> list[Version]:
        return await threads.versions(self._near, message_id, after, limit)

    async def reactions(
        self, message_id: str, *, emoji: str | None, after: Reacted | None, limit: int
    ) -> list[Reacted]:
        return await threads.reactions(self._near, message_id, emoji, after, limit)

    async def expired(self, now: int, limit: int) -> list[StoredMessage]:
        return await threads.expired(self._near, self._reader, now, limit)

    async def older_messages(self, before_id: str, limit: int) -> list[StoredMessage]:
        return await scan.older_messages(self._near, self._reader, before_id, limit)

    async def active_since(self, since: int, *, after: str | None, limit: int) -> list[str]:
        return await scan.active_since(self._near, since, after, limit)

    async def changed_since(
        self, since: int, *, kinds: Collection[str], after: str | None, limit: int
    ) -> tuple[list[StoredMessage], str | None]:
        return await scan.changed_since(self._near, self._reader, since, kinds, after, limit)

    async def last_messages(
        self, first_visible: Mapping[str, int], *, viewer_id: str | None = None
    ) -> dict[str, StoredMessage]:
        return await self._reader.last_messages(self._near, first_visible, viewer_id)

    async def unread(self, user_id: str, marks: Mapping[str, int], *, cap: int) -> dict[str, int]:
        return await self._reader.unread(self._near, user_id, marks, cap)

    async def erase(self, conversation_id: str, limit: int) -> int:
        return await self.database.write_logs(lambda tx: erase(tx, self._reader, conversation_id, limit))

    async def count_messages(self) -> int:
        return await scan.count_messages(self._near)

    def stale_in(
        self,
        conn: Connection,  # noqa: ARG002 - the log lies elsewhere
        conversation_id: str,
        before: int,
        *,
        after_seq: int,
        limit: int,
    ) -> Trimmed:
        async def work(link: Link) -> Trimmed:
            return (
                await retention.look(link, self._reader, conversation_id, before, after_seq, limit)
            ).trimmed

        return self._bridge.call(work)

    def trim_in(self, tx: WriteTx, conversation_id: str, before: int, limit: int) -> Trimmed:
        logs = _logs(tx)
        draft = logs.draft(conversation_id)
        if draft is None:
            return Trimmed(conversation_id, 0, 0, (), 0, 0)
        return logs.read(draft, lambda link: retention.trim(link, self._reader, draft, before, limit))

    async def purge_dedup(self, older_than: int) -> int:
        return await purge_dedup(self._store, older_than)

    async def deeds(self, conversation_id: str, user_id: str, *, after_seq: int, limit: int) -> Deeds:
        return await personal.deeds(self._near, self._reader, conversation_id, user_id, after_seq, limit)

    def rewrite_in(self, tx: WriteTx, conversation_id: str, seq: int, data: bytes) -> None:
        personal.rewrite(_logs(tx), conversation_id, seq, data)

    def forget_sends_in(
        self, tx: WriteTx, conversation_id: str, user_id: str, message_ids: Sequence[str]
    ) -> None:
        personal.forget_sends(_logs(tx), conversation_id, user_id, message_ids)


def _logs(tx: WriteTx) -> LogTx:
    assert isinstance(tx, LogTx), "transactions that change logs go through the timeline's database"
    return tx
