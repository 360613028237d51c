"""The Timeline in the relational store: appends share the Database's group commit."""

import time
from collections.abc import Awaitable, Collection, Mapping, Sequence
from functools import partial

from sqlalchemy import Connection

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline import (
    relational_append,
    relational_changes,
    relational_personal,
    relational_read,
    relational_retention,
    relational_scan,
    relational_threads,
)
from secureconnect.infra.timeline.base import (
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
from secureconnect.infra.timeline.relational_erase import erase
from secureconnect.infra.timeline.relational_purge import purge_dedup
from secureconnect.kit.errors import ApiError

__all__ = ["RelationalTimeline"]

# Up to here a read costs the event loop less than handing it to a thread and back (a few hundred µs).
_NEAR_ROWS = 100
_NEAR_CONVERSATIONS = 32


class RelationalTimeline:
    """A `Timeline` on a `Database` whose tables were migrated.

    Args:
        database: where the log lives.
        on_commit: the commit listener; `listen` sets it later where it needs the timeline itself.
        metrics: told about appends.
    """

    def __init__(
        self,
        database: Database,
        on_commit: CommitListener | None = None,
        metrics: TimelineMetrics | None = None,
    ) -> None:
        self._database = database
        self._listener = on_commit
        self._metrics = metrics
        self._sink = self._committed  # bound once: neighbours are recognised by their sink

    def listen(self, on_commit: CommitListener) -> None:
        """Set the commit listener, before the first append."""
        self._listener = on_commit

    def _committed(self, events: Sequence[StoredEvent]) -> None:
        if self._listener is not None:
            self._listener(events)

    async def append(self, event: NewEvent, *, guard: int, also: Sequence[Statement] = ()) -> Appended:
        if self._metrics is None:
            return await self._append(event, guard, also)
        started = time.perf_counter()
        try:
            appended = await self._append(event, guard, also)
        except GuardChanged:
            raise
        except Exception as error:
            self._metrics.append_failed("unavailable" if isinstance(error, ApiError) else "other")
            raise
        self._metrics.appended(time.perf_counter() - started)
        return appended

    def _append(self, event: NewEvent, guard: int, also: Sequence[Statement]) -> Awaitable[Appended]:
        work = partial(relational_append.append, event, guard, also, self._sink)
        return self._database.write(work, brief=True)

    def open_in(self, tx: WriteTx, conversation_id: str) -> None:
        relational_append.open_log(tx, conversation_id)

    def append_in(self, tx: WriteTx, event: NewEvent, *, also: Sequence[Statement] = ()) -> int:
        return relational_append.append_in(event, also, self._sink, tx)

    def raise_guard_in(self, tx: WriteTx, conversation_id: str) -> None:
        relational_append.raise_guard(tx, conversation_id)

    def check_guard_in(self, tx: WriteTx, conversation_id: str, guard: int) -> None:
        relational_changes.check_guard(tx, conversation_id, guard)

    def message_in(
        self, tx: WriteTx, message_id: str, *, viewer_id: str | None = None
    ) -> StoredMessage | None:
        return relational_read.message_by_id(tx.conn, message_id, viewer_id)

    def edit_in(self, tx: WriteTx, message: StoredMessage, edit: Edit) -> StoredMessage:
        return relational_changes.edit_message(tx, message, edit)

    def delete_in(
        self, tx: WriteTx, message: StoredMessage, *, at: int, by: str | None, reason: str
    ) -> StoredMessage:
        return relational_changes.delete_message(tx, message, at, by, reason)

    def react_in(self, tx: WriteTx, message_id: str, reaction: Reacted) -> bool:
        return relational_changes.react(tx, message_id, reaction)

    def unreact_in(self, tx: WriteTx, message_id: str, user_id: str, emoji: str) -> bool:
        return relational_changes.unreact(tx, message_id, user_id, emoji)

    def set_pinned_in(self, tx: WriteTx, message_id: str, *, pinned: bool) -> None:
        relational_changes.set_pinned(tx, message_id, pinned)

    def set_attachment_in(
        self,
        tx: WriteTx,
        message_ids: Collection[str],
        file_id: str,
        *,
        has_thumbnail: bool | None = None,
        available: bool | None = None,
    ) -> None:
        relational_changes.set_attachment(tx, message_ids, file_id, has_thumbnail, available)

    async def head(self, conversation_id: str) -> Head | None:
        return await self._database.lookup(lambda conn: relational_read.head(conn, conversation_id))

    async def heads(self, conversation_ids: Collection[str]) -> dict[str, Head]:
        near = len(conversation_ids) <= _NEAR_ROWS
        run = self._database.lookup if near else self._database.read
        return await run(lambda conn: relational_read.heads(conn, conversation_ids))

    async def events(
        self,
        conversation_id: str,
        *,
        after_seq: int | None = None,
        before_seq: int | None = None,
        limit: int,
    ) -> list[StoredEvent]:
        run = self._database.lookup if limit <= _NEAR_ROWS else self._database.read
        return await run(
            lambda conn: relational_read.events(conn, conversation_id, after_seq, before_seq, limit)
        )

    async def messages(
        self,
        conversation_id: str,
        *,
        from_seq: int = 1,
        before_seq: int | None = None,
        limit: int,
        viewer_id: str | None = None,
    ) -> list[StoredMessage]:
        run = self._database.lookup if limit <= _NEAR_ROWS else self._database.read
        return await run(
            lambda conn: relational_read.messages(
                conn, conversation_id, from_seq, before_seq, limit, viewer_id
            )
        )

    async def message(self, message_id: str, *, viewer_id: str | None = None) -> StoredMessage | None:
        return await self._database.lookup(
            lambda conn: relational_read.message_by_id(conn, message_id, viewer_id)
        )

    async def messages_by_id(
        self, message_ids: Collection[str], *, viewer_id: str | None = None
    ) -> dict[str, StoredMessage]:
        run = self._database.lookup if len(message_ids) <= _NEAR_ROWS else self._database.read
        return await run(lambda conn: relational_read.messages_by_id(conn, message_ids, viewer_id))

    async def thread(
        self, root_id: str, *, after_seq: int, limit: int, viewer_id: str | None = None
    ) -> list[StoredMessage]:
        return await self._database.lookup(
            lambda conn: relational_threads.thread(conn, root_id, after_seq, limit, viewer_id)
        )

    async def thread_senders(self, root_id: str) -> list[str]:
        return await self._database.read(lambda conn: relational_threads.thread_senders(conn, root_id))

    async def thread_unread(self, root_id: str, user_id: str, after_seq: int, *, cap: int) -> int:
        return await self._database.read(
            lambda conn: relational_threads.thread_unread(conn, root_id, user_id, after_seq, cap)
        )

    async def versions(self, message_id: str, *, after: int, limit: int) -> list[Version]:
        return await self._database.lookup(
            lambda conn: relational_threads.versions(conn, message_id, after, limit)
        )

    async def reactions(
        self, message_id: str, *, emoji: str | None, after: Reacted | None, limit: int
    ) -> list[Reacted]:
        return await self._database.read(
            lambda conn: relational_threads.reactions(conn, message_id, emoji, after, limit)
        )

    async def expired(self, now: int, limit: int) -> list[StoredMessage]:
        return await self._database.read(lambda conn: relational_threads.expired(conn, now, limit))

    async def older_messages(self, before_id: str, limit: int) -> list[StoredMessage]:
        return await self._database.read(lambda conn: relational_scan.older_messages(conn, before_id, limit))

    async def active_since(self, since: int, *, after: str | None, limit: int) -> list[str]:
        return await self._database.read(lambda conn: relational_scan.active_since(conn, since, after, limit))

    async def changed_since(
        self, since: int, *, kinds: Collection[str], after: str | None, limit: int
    ) -> tuple[list[StoredMessage], str | None]:
        return await self._database.read(
            lambda conn: relational_scan.changed_since(conn, since, kinds, after, limit)
        )

    async def last_messages(
        self, first_visible: Mapping[str, int], *, viewer_id: str | None = None
    ) -> dict[str, StoredMessage]:
        run = self._database.lookup if len(first_visible) <= _NEAR_CONVERSATIONS else self._database.read
        return await run(lambda conn: relational_read.last_messages(conn, first_visible, viewer_id))

    async def unread(self, user_id: str, marks: Mapping[str, int], *, cap: int) -> dict[str, int]:
        run = self._database.lookup if len(marks) <= _NEAR_CONVERSATIONS else self._database.read
        return await run(lambda conn: relational_read.unread(conn, user_id, marks, cap))

    async def erase(self, conversation_id: str, limit: int) -> int:
        return await self._database.write(lambda tx: erase(tx, conversation_id, limit))

    async def count_messages(self) -> int:
        return await self._database.read(relational_retention.count_messages)

    def stale_in(
        self, conn: Connection, conversation_id: str, before: int, *, after_seq: int, limit: int
    ) -> Trimmed:
        return relational_retention.stale(conn, conversation_id, before, after_seq, limit)

    def trim_in(self, tx: WriteTx, conversation_id: str, before: int, limit: int) -> Trimmed:
        return relational_retention.trim(tx, conversation_id, before, limit)

    async def purge_dedup(self, older_than: int) -> int:
        return await purge_dedup(self._database, older_than)

    async def deeds(self, conversation_id: str, user_id: str, *, after_seq: int, limit: int) -> Deeds:
        return await self._database.read(
            lambda conn: relational_personal.deeds(conn, conversation_id, user_id, after_seq, limit)
        )

    def rewrite_in(self, tx: WriteTx, conversation_id: str, seq: int, data: bytes) -> None:
        relational_personal.rewrite(tx, conversation_id, seq, data)

    def forget_sends_in(
        self, tx: WriteTx, conversation_id: str, user_id: str, message_ids: Sequence[str]
    ) -> None:
        relational_personal.forget_sends(tx, conversation_id, user_id, message_ids)
