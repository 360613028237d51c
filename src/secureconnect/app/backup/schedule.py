"""Backups that the server makes by itself, in a process of their own so that nobody waits for them."""

import asyncio
import datetime as dt
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import msgspec

from secureconnect.app.backup.names import made_at, new_name, stored
from secureconnect.app.settings import Settings
from secureconnect.edge.module import Module, Task
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.cron import Cron

__all__ = ["BackupFailed", "ScheduledBackups", "backup_module"]

log = get_logger()

_LOOK_EVERY = 10.0
_AGAIN_AFTER = 600.0  # seconds after one that failed
_DAY = 86_400.0


class BackupFailed(Exception):
    """The process that made a backup ended with an error; the message is what it said."""


class BackupMetrics(Protocol):
    """Where measurements go."""

    def watch_backups(self, last: Callable[[], float]) -> None:
        """Compute the time of the last verified backup, in seconds since the epoch, 0 without one."""


class ScheduledBackups:
    """Makes a backup when its time has come, verifies it, and then removes old ones.

    Files that were verified carry their final name: until then the name ends in `.unverified`.
    """

    def __init__(
        self,
        folder: Path,
        cron: Cron,
        clock: Clock,
        *,
        retention_days: int,
        make: Callable[[Path], Awaitable[None]],
    ) -> None:
        self._folder = folder
        self._cron = cron
        self._clock = clock
        self._retention = retention_days * _DAY
        self._make = make
        self._since = clock.now() / 1000
        self._not_before = 0.0

    def last(self) -> float:
        """When the newest verified backup began, in seconds since the epoch; 0 without one."""
        try:
            found = stored(self._folder)
        except OSError:
            return 0.0
        return (made_at(found[-1]) or 0.0) if found else 0.0

    async def run(self) -> int:
        """One turn: returns 1 when a backup was made.

        Raises:
            BackupFailed, OSError: none was made; the next turn tries again.
        """
        now = self._clock.now() / 1000
        due = self._cron.before(dt.datetime.fromtimestamp(now, dt.UTC))
        # A time that went by while nobody ran counts when backups were made before it.
        last = await asyncio.to_thread(self.last)
        if due is None or due.timestamp() <= (last or self._since - 60):
            return 0
        if self._clock.monotonic() < self._not_before:
            return 0
        self._not_before = self._clock.monotonic() + _AGAIN_AFTER
        await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        path = self._folder / new_name()
        unverified = path.with_name(f"{path.name}.unverified")
        await asyncio.to_thread(self._sweep)
        await self._make(unverified)
        await asyncio.to_thread(unverified.replace, path)
        self._not_before = 0.0
        removed = await asyncio.to_thread(self._prune, path, now)
        log.info("backup made", path=str(path), bytes=path.stat().st_size, removed=removed)
        return 1

    def _sweep(self) -> None:
        """What earlier attempts left behind."""
        for pattern in ("secureconnect-*.unverified", ".secureconnect-*.partial"):
            for path in self._folder.glob(pattern):
                path.unlink(missing_ok=True)

    def _prune(self, newest: Path, now: float) -> int:
        old = [
            path
            for path in stored(self._folder)
            if path != newest and (made_at(path) or now) < now - self._retention
        ]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)


def backup_module(settings: Settings, clock: Clock, metrics: BackupMetrics) -> Module:
    """The job, when `backup.schedule` asks for one."""
    given = settings.backup
    if not given.schedule:
        return Module(name="backup", role="storage")
    backups = ScheduledBackups(
        Path(given.dir),
        Cron(given.schedule),
        clock,
        retention_days=given.retention_days,
        make=lambda path: _in_own_process(settings, path),
    )
    metrics.watch_backups(backups.last)
    return Module(name="backup", role="storage", tasks=[Task("backup", _LOOK_EVERY, backups.run)])


async def _in_own_process(settings: Settings, path: Path) -> None:
    """Back up and verify; what the process is told travels through a pipe, secrets included."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "secureconnect.app.backup.child",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate(msgspec.json.encode({"settings": settings, "path": str(path)}))
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    if process.returncode != 0:
        raise BackupFailed(said.decode("utf-8", "replace").strip()[-500:])
