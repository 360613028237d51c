"""The one writer of a SQLite file, with group commit.

All units of work that wait at one moment run in one transaction and share one sync. Syncs happen in the
writer's thread, so the event loop goes on meanwhile and the next group gathers.

Brief units of work run on the event loop before the thread takes over. Two threads of CPython that both have
work to do pass the interpreter lock to and fro, at up to one switch interval (5 ms) per statement; on the
loop the same statement costs microseconds. The thread runs everything else, and all that went wrong.

Works run optimistically, without a savepoint each. When one fails after it wrote, the group is rolled back
and run again with savepoints; that is why units of work must be repeatable.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from secureconnect.infra.database.after_commit import Call, run_calls
from secureconnect.infra.database.metrics import DatabaseMetrics
from secureconnect.infra.database.sqlite_connection import SqliteConnection
from secureconnect.infra.database.sqlite_errors import is_fault, is_timeout, told, unavailable
from secureconnect.infra.database.sqlite_transaction import SqliteTx
from secureconnect.infra.telemetry.log import get_logger

__all__ = ["GroupWriter"]

log = get_logger()
T = TypeVar("T")

_MAX_WORKS = 512  # per commit: bounds how long the first of a group waits for the others
_LOOP_SLICE = 0.004  # seconds that brief works may take from one turn of the event loop


class _Work:
    """One unit of work on its way."""

    __slots__ = ("brief", "calls", "error", "future", "queued_at", "result", "run", "works")

    def __init__(self, run: Callable[[SqliteTx], Any], brief: bool, future: asyncio.Future[Any]) -> None:
        self.run = run
        self.brief = brief
        self.future = future
        self.queued_at = time.monotonic()
        self.calls: list[Call] = []
        self.works = 1
        self.result: Any = None
        self.error: BaseException | None = None


class _Batch:
    """Works that commit together, in this order. `next` is the first that has not run yet."""

    __slots__ = ("begun", "failure", "loop", "next", "rerun", "works")

    def __init__(self, loop: asyncio.AbstractEventLoop, works: list[_Work]) -> None:
        self.loop = loop
        self.works = works
        self.next = 0
        self.begun = False
        self.rerun = False
        self.failure: BaseException | None = None


class GroupWriter:
    """Owns the writing connection. `write` and `close` are called on the event loop."""

    def __init__(
        self, link: SqliteConnection, *, acquire_timeout: float, metrics: DatabaseMetrics | None
    ) -> None:
        self._link = link
        self._raw = link.raw
        self._tx = SqliteTx(link)
        self._acquire_timeout = acquire_timeout
        self._metrics = metrics
        self._waiting: deque[_Work] = deque()
        self._busy = False  # a group is being gathered, run or committed
        self._closed = False
        self._failing_since: float | None = None
        self._idle: asyncio.Future[None] | None = None
        self._inbox: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="sqlite-writer", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """True while a group is on its way."""
        return self._busy

    async def write(self, run: Callable[[SqliteTx], T], brief: bool) -> T:
        """Queue one unit of work and wait until its group is committed."""
        if self._closed:
            raise unavailable("The database is closed.")
        loop = asyncio.get_running_loop()
        work = _Work(run, brief, loop.create_future())
        self._waiting.append(work)
        if not self._busy:
            self._busy = True
            # Not at once: whatever else this tick of the loop brings joins the group.
            loop.call_soon(self._start, loop)
        result: T = await work.future
        return result

    async def close(self) -> None:
        """Commit what was accepted, fold the log into the file, stop the thread."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        if self._busy:
            self._idle = loop.create_future()
            await self._idle
        self._inbox.put(None)
        await asyncio.to_thread(self._thread.join)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        works = self._gather()
        if not works:
            self._rest(loop)
            return
        batch = _Batch(loop, works)
        if works[0].brief and self._begin_at_once():
            batch.begun = True
            self._run_brief(batch)
        else:
            self._inbox.put(batch)

    def _run_brief(self, batch: _Batch) -> None:
        """Run brief works here, a slice per turn of the loop, then hand the group to the thread."""
        self._link.allow_time()
        if self._run(batch, brief_until=time.monotonic() + _LOOP_SLICE):
            batch.loop.call_soon(self._run_brief, batch)
        else:
            self._inbox.put(batch)

    def _gather(self) -> list[_Work]:
        brief: list[_Work] = []
        others: list[_Work] = []
        now = time.monotonic()
        waiting = self._waiting
        for _ in range(min(len(waiting), _MAX_WORKS)):
            work = waiting.popleft()
            waited = now - work.queued_at
            if work.future.done():
                continue  # its caller was cancelled before anything happened
            if waited > self._acquire_timeout:
                if self._metrics is not None:
                    self._metrics.acquire_timed_out()
                work.future.set_exception(unavailable("The database is too busy."))
                continue
            if self._metrics is not None:
                self._metrics.acquired(waited)
            (brief if work.brief else others).append(work)
        return brief + others

    def _begin_at_once(self) -> bool:
        try:
            self._raw.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            return False  # the thread can wait for the lock, or meet the fault again and report it
        return True

    def _finish(self, batch: _Batch) -> None:
        failure = batch.failure
        for work in batch.works:
            future = work.future
            if future.done():
                continue
            if failure is not None:
                future.set_exception(told(failure))
            elif work.error is not None:
                future.set_exception(told(work.error))
            else:
                future.set_result(work.result)
        if failure is None:
            # Callers go on once this callback is through, hence after these calls, but before whatever these
            # calls put off: what both have for one socket leaves in one write.
            run_calls(call for work in batch.works if work.error is None for call in work.calls)
        self._rest(batch.loop)

    def _rest(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting:
            # After the callers that were just answered: those that write again at once join this group.
            loop.call_soon(self._start, loop)
            return
        self._busy = False
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    # The rest runs in the writer's thread, `_run` also on the loop; never both at a time.

    def _serve(self) -> None:
        while (batch := self._inbox.get()) is not None:
            try:
                self._settle(batch)
            except BaseException as error:  # noqa: BLE001 - every caller gets an answer, whatever happened
                batch.failure = error
            if batch.failure is not None:
                with contextlib.suppress(Exception):
                    self._link.rollback()
            self._report(batch.failure)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                batch.loop.call_soon_threadsafe(self._finish, batch)
        with contextlib.suppress(sqlite3.Error):
            self._raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._link.close()

    def _settle(self, batch: _Batch) -> None:
        if not batch.begun:
            self._begin()
        if not batch.rerun and batch.failure is None:
            self._run(batch)
        if batch.rerun and batch.failure is None:
            self._link.rollback()
            self._begin()
            self._run_apart(batch)
        if batch.failure is not None:
            return
        if not self._raw.in_transaction:
            batch.failure = unavailable("The transaction was ended by the database.")
            return
        started = time.perf_counter()
        self._raw.execute("COMMIT")
        if self._metrics is not None:
            works = sum(work.works for work in batch.works)
            self._metrics.committed(works, time.perf_counter() - started)

    def _report(self, failure: BaseException | None) -> None:
        """One line when writes begin to fail, one when they work again (docs/reference/logs.md)."""
        if failure is not None and self._metrics is not None:
            self._metrics.query_failed("other", "connection")
        if failure is not None and self._failing_since is None:
            self._failing_since = time.monotonic()
            log.warning("database writes fail", dependency="database", error=str(failure))
        elif failure is None and self._failing_since is not None:
            duration = round(time.monotonic() - self._failing_since, 3)
            self._failing_since = None
            log.info("database writes work again", dependency="database", duration_s=duration)

    def _begin(self) -> None:
        try:
            self._raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_fault(error):
                raise
            self._raw.execute(f"PRAGMA busy_timeout = {int(self._acquire_timeout * 1000)}")
            try:
                self._raw.execute("BEGIN IMMEDIATE")
            finally:
                self._raw.execute("PRAGMA busy_timeout = 0")

    def _run(self, batch: _Batch, brief_until: float | None = None) -> bool:
        """Run works without savepoints; True when only the time is over and brief ones are left.

        Stops early with `rerun` or `failure` set.
        """
        raw, tx, works = self._raw, self._tx, batch.works
        schema = None if brief_until is not None else self._schema_version()
        while batch.next < len(works):
            work = works[batch.next]
            if brief_until is None:
                self._link.allow_time()
            elif not work.brief:
                break
            elif time.monotonic() > brief_until:
                return True
            tx.calls, tx.works = work.calls, 1
            before = raw.total_changes
            try:
                work.result = work.run(tx)
                work.works = tx.works
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                if is_fault(error):
                    batch.failure = error
                    break
                work.error = error
                clean = raw.in_transaction and raw.total_changes == before
                if not clean or (schema is not None and schema != self._schema_version()):
                    batch.rerun = True
                    break
            batch.next += 1
        return False

    def _run_apart(self, batch: _Batch) -> None:
        """Run all works again, each in a savepoint. One that timed out is not tried again."""
        for work in batch.works:
            if work.error is not None and is_timeout(work.error):
                continue
            work.error, work.calls = None, []
            self._tx.calls, self._tx.works = work.calls, 1
            self._link.allow_time()
            self._raw.execute("SAVEPOINT work")
            try:
                work.result = work.run(self._tx)
                work.works = self._tx.works
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                if is_fault(error) or not self._raw.in_transaction:
                    batch.failure = error
                    return
                work.error = error
                self._raw.execute("ROLLBACK TO work")
            self._raw.execute("RELEASE work")

    def _schema_version(self) -> int:
        version: int = self._raw.execute("PRAGMA schema_version").fetchone()[0]
        return version
