"""Background jobs: each runs again and again, alone, and one that fails is tried at its next turn.

Of several processes one runs a job; the others look now and then whether it has become theirs.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence

from secureconnect.edge.module import Task
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.telemetry.metrics import Metrics

__all__ = ["Jobs"]

log = get_logger()

_BATCH_PAUSE = 0.05
_LOOK = 5.0


class Jobs:
    """Runs the tasks of all features until stopped.

    Args:
        holds: whether this process may begin a turn of the task of that name; None where it is the only one.
    """

    def __init__(
        self, tasks: Sequence[Task], metrics: Metrics, holds: Callable[[str], bool] | None = None
    ) -> None:
        self._tasks = tasks
        self._holds = holds
        self._metrics = metrics
        self._running: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; the first turn of most comes after a part of its period, so that not all come together."""
        for task in self._tasks:
            self._metrics.expect_job(task.name)
        self._running = [asyncio.create_task(self._repeat(task), name=task.name) for task in self._tasks]

    async def stop(self) -> None:
        """Cancel what runs."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _repeat(self, task: Task) -> None:
        if not task.at_once:
            await asyncio.sleep(task.every * random.uniform(0.1, 1))  # noqa: S311 - jitter
        while True:
            if self._holds is not None and not task.everywhere and not self._holds(task.name):
                await asyncio.sleep(min(_LOOK, task.every))
                continue
            touched = await self._run(task)
            # A full batch means that there is more: go on soon, but let requests in between.
            await asyncio.sleep(_BATCH_PAUSE if touched >= 1000 else task.every)

    async def _run(self, task: Task) -> int:
        started = time.monotonic()
        try:
            touched = await task.run()
        except Exception:
            self._metrics.job(task.name, "error", time.monotonic() - started)
            log.exception("job failed", job=task.name)
            return 0
        self._metrics.job(task.name, "ok", time.monotonic() - started)
        if touched:
            log.info("job done", job=task.name, touched=touched)
        return touched
