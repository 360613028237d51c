"""Tasks that somebody else than their starter outlives."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError

__all__ = ["Background"]

log = get_logger()


class Background:
    """Holds running tasks, logs what they raise, and can wait for all of them."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work`; the caller may keep the task to cancel it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def __len__(self) -> int:
        return len(self._tasks)

    async def settled(self) -> None:
        """Wait until nothing runs any more, including what was started meanwhile."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def stop(self) -> None:
        """Cancel everything and wait for it."""
        for task in self._tasks:
            task.cancel()
        await self.settled()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if not isinstance(error, ApiError):  # those are meant for whoever waits for the task
            log.error("background task failed", exc_info=error)
