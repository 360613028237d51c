"""Erasing a person: every feature forgets it, then the account goes blank and a receipt stays.

A job that may be stopped at any point and begun again; what is erased stays so, and until the end the account
stays taken (docs/reference/data.md §8).
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.privacy.api import Belongings, Deletions
from secureconnect.features.users.api import Accounts
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.outbox.base import Gone, Job, Outbox, RetryLater, Work
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Erasure", "Wanted", "erase_job"]

log = get_logger()

_TIMEOUT: Final = 3600.0
# Erasure is not given up: the account stays closed and taken until it is done.
_MAX_AGE: Final = 3650 * 86_400.0
_DUE: Final = 100
_LONGEST_PAUSE: Final = 0.1


class Wanted(Struct, frozen=True):
    """A job: erase this user. `at_once` deletes the account first if that was not done, and waits for no
    delay; only the operator asks for that."""

    user_id: str
    at_once: bool = False


def erase_job(user_id: str, *, at_once: bool = False) -> Job:
    """One job per user."""
    return Job("erase", Wanted(user_id, at_once), dedup_key=f"erase:{user_id}", max_age=_MAX_AGE)


class Erasure:
    """Erases accounts whose time has come.

    Args:
        belongings: in the order in which they go: what finds others goes last.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        accounts: Accounts,
        deletions: Deletions,
        belongings: Sequence[Belongings],
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._accounts = accounts
        self._deletions = deletions
        self._belongings = tuple(belongings)
        self._audit = audit
        self._clock = clock

    async def start(self) -> None:
        """Take the jobs of the outbox, which starts after this."""
        self._outbox.handle("erase", self._handle, at_once=1, timeout=_TIMEOUT)

    async def queue_due(self) -> int:
        """Queue what is due; returns how many accounts."""
        now = self._clock.now()

        def work(tx: WriteTx) -> int:
            due = self._accounts.due_in(tx.conn, now, _DUE)
            for user_id in due:
                self._outbox.enqueue_in(tx, erase_job(user_id))
            return len(due)

        if not await self._database.read(lambda conn: self._accounts.due_in(conn, now, 1)):
            return 0
        return await self._database.write(work)

    async def _handle(self, work: Work) -> None:
        wanted = work.decode(Wanted)
        if wanted.at_once and not await self._is_gone(wanted.user_id):
            await self._delete(wanted.user_id)
        if not await self._is_due(wanted.user_id):
            return
        started, counts = time.monotonic(), Counter[str]()
        for each in self._belongings:
            counts[each.name] += 0
            step = time.monotonic()
            async for count in each.erased(wanted.user_id):
                counts[each.name] += count
                # Then others work for as long.
                await asyncio.sleep(min(time.monotonic() - step, _LONGEST_PAUSE))
                step = time.monotonic()

        def finish(tx: WriteTx) -> None:
            self._outbox.finish_in(tx, work)
            self._accounts.erase_in(tx, wanted.user_id, self._clock.now())
            self._record_in(tx, wanted.user_id, counts)

        await self._database.write(finish)
        log.info(
            "account erased",
            user_id=wanted.user_id,
            rows=counts.total(),
            duration_s=round(time.monotonic() - started, 3),
        )

    async def _delete(self, user_id: str) -> None:
        try:
            await self._database.write(lambda tx: self._deletions.delete_in(tx, user_id, immediate=True))
        except ApiError as error:
            if error.code in {ErrorCode.NOT_FOUND, ErrorCode.CONFLICT}:
                raise Gone(error.message) from error
            raise

    async def _is_gone(self, user_id: str) -> bool:
        now = self._clock.now()
        found = await self._database.read(lambda conn: self._accounts.find_in(conn, user_id, now))
        return found is None

    async def _is_due(self, user_id: str) -> bool:
        """Whether the account is to be erased now: it may be restored, or erased, by now."""
        now = self._clock.now()
        account = await self._database.read(lambda conn: self._accounts.find_in(conn, user_id, now))
        if account is None or account.record.active or account.erase_at is None:
            return False
        if account.erase_at > now:
            raise RetryLater("not due yet", (account.erase_at - now) / 1000)
        return True

    def _record_in(self, tx: WriteTx, user_id: str, counts: Mapping[str, int]) -> None:
        self._audit.record_in(
            tx,
            AuditEntry(
                event="user_erased",
                actor_type="system",
                target_type="user",
                target_id=user_id,
                details={name: str(count) for name, count in counts.items()},
            ),
        )
