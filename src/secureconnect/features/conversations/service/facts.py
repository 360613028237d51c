"""The cached facts that decide about sends."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection

from sqlalchemy import Connection

from secureconnect.features.conversations import rules, store
from secureconnect.features.conversations.api import UNGUARDED, Facts
from secureconnect.features.friends.api import Friends
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import CONTROL, FactsChanged, Hint

__all__ = ["FactsCache"]

#: Members of all cached conversations together, at some 160 bytes each.
_CAPACITY = 200_000
# The flag `wake` goes out without a trace when a message woke somebody, so it is not believed for long.
_WAKE_SECONDS = 10.0
# While the timeline is away.
_UNGUARDED_SECONDS = 2.0


class FactsCache:
    """Facts by conversation, the least recently used dropped first. Implements `Horizons`.

    Whatever is read here may be stale, never wrong about its guard: the guard is read before the facts. While
    the timeline is away they have a guard that no append holds, for whoever appends nothing.
    """

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        bus: Bus,
        friends: Friends,
        clock: Clock,
        *,
        capacity: int = _CAPACITY,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._bus = bus
        self._friends = friends
        self._clock = clock
        self._capacity = capacity
        self._cached: OrderedDict[str, tuple[Facts, float | None]] = OrderedDict()
        self._weight = 0
        self._loading: dict[str, asyncio.Task[Facts | None]] = {}

    async def start(self) -> None:
        """Listen for changes made by other processes."""
        self._bus.on_doubt(self._forget_all)
        await self._bus.subscribe(CONTROL, self._forget_on)

    async def get(self, conversation_id: str) -> Facts | None:
        """The facts; None for unknown and deleted conversations. Callers that wait share one load."""
        entry = self._cached.get(conversation_id)
        if entry is not None:
            facts, until = entry
            if until is None or self._clock.monotonic() < until:
                self._cached.move_to_end(conversation_id)
                return facts
            self.forget(conversation_id)
        task = self._loading.get(conversation_id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._load(conversation_id))
            self._loading[conversation_id] = task
            task.add_done_callback(lambda done: self._loaded(conversation_id, done))
        return await asyncio.shield(task)

    def known_to_all(self, conversation_id: str, seq: int) -> bool:
        """See `Horizons`."""
        entry = self._cached.get(conversation_id)
        return entry is not None and all(member.visible_from <= seq for member in entry[0].members.values())

    def visible_from_in(
        self, conn: Connection, user_id: str, conversation_ids: Collection[str]
    ) -> dict[str, int]:
        """See `Horizons`."""
        return store.visible_among(conn, user_id, conversation_ids)

    async def after(self, stale: Facts) -> Facts | None:
        """The facts again, after an append told that `stale` are so."""
        conversation_id = stale.conversation_id
        entry = self._cached.get(conversation_id)
        if entry is not None and entry[0].guard <= stale.guard:
            self.forget(conversation_id)
        return await self.get(conversation_id)

    def forget(self, conversation_id: str) -> None:
        """Drop what is cached, and what is being loaded right now."""
        entry = self._cached.pop(conversation_id, None)
        if entry is not None:
            self._weight -= 1 + len(entry[0].members)
        self._loading.pop(conversation_id, None)

    def changed_in(self, tx: WriteTx, conversation_id: str) -> None:
        """Make the facts stale everywhere, in the transaction that changes them."""
        self._timeline.raise_guard_in(tx, conversation_id)

        def tell() -> None:
            self.forget(conversation_id)
            self._bus.publish(CONTROL, FactsChanged(conversation_id))

        tx.after_commit(tell)

    def read_in(self, conn: Connection, conversation_id: str, guard: int = UNGUARDED) -> Facts | None:
        """The facts as this transaction sees them."""
        record = store.find(conn, conversation_id)
        if record is None:
            return None
        members, wake = store.member_facts(conn, conversation_id)
        blocked = False
        if record.direct_key is not None:
            blocked = self._friends.blocked_in(conn, *rules.pair_of(record.direct_key))
        return Facts(
            conversation_id, record.type, guard, record.owner_id, record.settings, members, blocked, wake
        )

    async def _load(self, conversation_id: str) -> Facts | None:
        try:
            head = await self._timeline.head(conversation_id)
        except ApiError as error:
            if error.code is not ErrorCode.TIMELINE_UNAVAILABLE:
                raise
            guard = UNGUARDED
        else:
            if head is None:
                return None
            guard = head.guard
        return await self._database.read(lambda conn: self.read_in(conn, conversation_id, guard))

    def _loaded(self, conversation_id: str, task: asyncio.Task[Facts | None]) -> None:
        facts = None if task.cancelled() or task.exception() is not None else task.result()
        if self._loading.get(conversation_id) is not task:
            return  # changed meanwhile
        del self._loading[conversation_id]
        if facts is None:
            return
        until = None
        if facts.guard == UNGUARDED:
            until = self._clock.monotonic() + _UNGUARDED_SECONDS
        elif facts.wake:
            until = self._clock.monotonic() + _WAKE_SECONDS
        self._cached[conversation_id] = facts, until
        self._weight += 1 + len(facts.members)
        while self._weight > self._capacity and len(self._cached) > 1:
            self.forget(next(iter(self._cached)))

    def _forget_all(self, _over: bool) -> None:
        self._cached.clear()
        self._weight = 0
        self._loading.clear()

    def _forget_on(self, hint: Hint) -> None:
        if isinstance(hint, FactsChanged):
            self.forget(hint.conversation_id)
