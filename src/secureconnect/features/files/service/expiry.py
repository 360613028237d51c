"""Uploads that were not completed in time."""

from secureconnect.features.files import store
from secureconnect.features.files.api import FileRecord
from secureconnect.features.files.service.ledger import Ledger
from secureconnect.features.files.service.objects import Objects
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock

__all__ = ["Expiry"]

_BATCH = 200
_PASSES = 5


class Expiry:
    """Ends uploads whose time is over: their quota is free, and what they left is removed."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger, objects: Objects) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._objects = objects

    async def sweep(self) -> int:
        """End at most a thousand uploads; returns how many."""
        ended = 0
        for _ in range(_PASSES):
            files = await self._database.write(self._expire)
            for file in files:
                await self._objects.discard(file)
            ended += len(files)
            if len(files) < _BATCH:
                break
        return ended

    def _expire(self, tx: WriteTx) -> list[FileRecord]:
        now = self._clock.now()
        files = store.expired(tx.conn, now, _BATCH)
        for file in files:
            self._ledger.fail_in(tx, None, file, "expired", now)
        return files
