"""Signs of life of a process that holds signaling sockets."""

from secureconnect.features.calls import store
from secureconnect.infra.database.base import Database
from secureconnect.kit.clock import Clock

__all__ = ["Pulse"]


class Pulse:
    """Says that this process lives, while there is somebody whom it matters to.

    Args:
        every: seconds after which a sign of life is due again.
    """

    def __init__(self, database: Database, process_id: str, clock: Clock, *, every: float) -> None:
        self._database = database
        self._process_id = process_id
        self._clock = clock
        self._every = every
        self._last: float | None = None

    async def awake(self) -> None:
        """A socket is about to count: others have to know of this process before.

        Raises:
            ApiError: the store cannot be written.
        """
        if self._last is None or self._clock.monotonic() - self._last >= self._every:
            await self.beat()

    async def beat(self) -> None:
        """Say so now.

        Raises:
            ApiError: the store cannot be written.
        """
        began, now = self._clock.monotonic(), self._clock.now()
        await self._database.write(lambda tx: store.beat(tx, self._process_id, now))
        self._last = began
