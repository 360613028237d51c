"""Which process does what only one of them should: periodic jobs, and the work that another one left when it
died.

Every process renews a lease on its own name, and on each job that it holds or that nobody holds. A lease
lasts 20 s and is renewed every 6 s, so a job changes hands at most 26 s after its process died. A process
that was stopped for longer than its leases last begins no job before it has asked again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from secureconnect.app.stores import Stores
from secureconnect.edge.module import Module, Task
from secureconnect.infra.leases.base import Leases
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError
from secureconnect.kit.hints import CONTROL, ProcessGone

__all__ = ["Elections", "Mourner", "stand"]

log = get_logger()

_LASTS: Final = 20.0
_RENEWED: Final = 6.0
_SURE: Final = _LASTS - 2.0  # seconds after asking, in which nobody else can have taken it
_JOB, _PROCESS = "job:", "process:"

#: Told that another process died, and since when (ms) its work may be undone. May be told twice.
Mourner = Callable[[int], Awaitable[None]]
Holds = Callable[[str], bool] | None


class Elections:
    """Stands for the jobs of one process.

    Args:
        process: the name of this process, unlike those of all others.
        mourners: what to do about a process that died; one of the living does it.
        told: called with its name afterwards.
        deaf: this process hears nothing of others: when there are some, that is worth a warning.
    """

    def __init__(
        self,
        leases: Leases,
        clock: Clock,
        process: str,
        jobs: Sequence[str],
        mourners: Sequence[Mourner] = (),
        told: Callable[[str], None] = lambda _process: None,
        *,
        deaf: bool = False,
        renewed: float = _RENEWED,
        lasts: float = _LASTS,
    ) -> None:
        self._leases = leases
        self._clock = clock
        self._own = _PROCESS + process
        self._names = [self._own, *(_JOB + job for job in jobs)]
        self._mourners = mourners
        self._told = told
        self._deaf = deaf
        self._renewed = renewed
        self._lasts = lasts
        self._held: set[str] = set()
        self._sure_until = 0.0
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to stand."""
        self._task = asyncio.create_task(self._stand(), name="elections")

    async def stop(self) -> None:
        """Let others take over at once."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        held, self._held = self._held, set()
        if held:
            with contextlib.suppress(ApiError):  # they end by themselves
                await self._leases.give_back(held)

    def holds(self, job: str) -> bool:
        """Whether this process may begin a turn of `job` now."""
        return _JOB + job in self._held and self._clock.monotonic() < self._sure_until

    async def settled(self) -> None:
        """Wait until it is known what is held, once."""
        await self._asked.wait()

    async def _stand(self) -> None:
        while True:
            try:
                await self._renew()
                await self._mourn()
                await self._look_around()
            except ApiError as error:
                log.debug("leases wait for the database", code=error.code.name)
            except Exception:
                log.exception("elections failed")
            self._asked.set()
            await asyncio.sleep(self._renewed)

    async def _renew(self) -> None:
        # Taken before asking: until then it is surely held.
        sure = self._clock.monotonic() + self._lasts * _SURE / _LASTS
        held = await self._leases.take(self._names, self._lasts)
        if new := sorted(name.removeprefix(_JOB) for name in held - self._held if name != self._own):
            log.info("this process runs jobs now", jobs=",".join(new))
        self._held, self._sure_until = held, sure

    async def _look_around(self) -> None:
        if self._deaf and await self._leases.held_elsewhere(_PROCESS):
            self._deaf = False  # said once
            log.warning("other processes use this database, and hear nothing of this one: set redis.url")

    async def _mourn(self) -> None:
        for lease in await self._leases.expired(_PROCESS):
            since = lease.until - int(self._lasts * 1000)
            log.warning("another process died", process=lease.name.removeprefix(_PROCESS))
            for mourner in self._mourners:
                await mourner(since)
            self._told(lease.name.removeprefix(_PROCESS))
            await self._leases.remove(lease)


@contextlib.asynccontextmanager
async def stand(stores: Stores, tasks: Sequence[Task], modules: Sequence[Module]) -> AsyncIterator[Holds]:
    """Stand for the tasks that only one process runs; alone, all of them are ours."""
    if stores.leases is None:
        yield None
        return
    elections = Elections(
        stores.leases,
        stores.clock,
        stores.process,
        [task.name for task in tasks if not task.everywhere],
        [module.bereaved for module in modules if module.bereaved is not None],
        lambda _: stores.bus.publish(CONTROL, ProcessGone()),
        deaf=stores.bus.embedded,
    )
    elections.start()
    try:
        yield elections.holds
    finally:
        await elections.stop()
        stores.bus.publish(CONTROL, ProcessGone())
