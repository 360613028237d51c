"""How many calls run, counted where they are stored."""

from secureconnect.edge.realtime.background import Background
from secureconnect.features.calls import store
from secureconnect.features.calls.rules import Talk
from secureconnect.features.calls.service.metrics import CallMetrics
from secureconnect.infra.database.base import Database
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError

__all__ = ["Running"]

log = get_logger()


class Running:
    """Tells the metrics; counts again soon after a call began or ended here.

    Only in a process that looks after calls, which asks for a first count: elsewhere the number would grow
    old.
    """

    def __init__(self, database: Database, metrics: CallMetrics, background: Background) -> None:
        self._database = database
        self._metrics = metrics
        self._background = background
        self._begun = False
        self._counting = False
        self._again = False

    def changed(self, before: Talk, after: Talk) -> None:
        """A change was committed."""
        if not self._begun or (before.people and before.call.over == after.call.over):
            return
        self._again = True
        if not self._counting:
            self._counting = True
            self._background.start(self._count())

    async def count(self) -> None:
        """Count now.

        Raises:
            ApiError: the store cannot be read.
        """
        self._begun = True
        self._metrics.calls_running(await self._database.lookup(store.count_running))

    async def _count(self) -> None:
        try:
            while self._again:
                self._again = False
                await self.count()
        except ApiError as error:
            log.warning("running calls are counted later", error_code=error.code.name)
        finally:
            self._counting = False
