"""One relational transaction and the logs that it changes."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.timeline import cassandra_intents as intents
from secureconnect.infra.timeline.base import StoredMessage
from secureconnect.infra.timeline.cassandra_claims import Claims
from secureconnect.infra.timeline.cassandra_draft import Draft
from secureconnect.infra.timeline.cassandra_head import Held, open_head
from secureconnect.infra.timeline.cassandra_intents import Plan
from secureconnect.infra.timeline.cassandra_link import Link
from secureconnect.infra.timeline.cassandra_rows import Bare, bare_at, complete, place_of
from secureconnect.kit.errors import ApiError
from secureconnect.kit.ids import new_id

__all__ = ["Call", "ClaimedTx", "Scope", "Wanted"]

log = get_logger()

#: A sink and its item, or None and a callback.
Call = tuple[Callable[[Sequence[Any]], None] | None, Any]


class Wanted(Exception):
    """The transaction needs claims that it may not wait for while it is open: take them and run it again."""

    def __init__(self, conversation_id: str) -> None:
        self.conversation_id = conversation_id
        super().__init__(conversation_id)


class Scope:
    """The claims and changes of one transaction, over all of its runs.

    A transaction never waits for a claim while it holds locks in the relational store: that way no two can
    wait for each other across the stores.
    """

    def __init__(self, claims: Claims, now: int) -> None:
        self._claims = claims
        self._now = now
        self._drafts: dict[str, Draft] = {}
        self._read: set[str] = set()
        self.calls: list[Call] = []
        self.plans: list[Plan] = []

    @property
    def drafts(self) -> list[Draft]:
        """What is claimed."""
        return list(self._drafts.values())

    def restart(self) -> None:
        """The transaction runs, perhaps again."""
        self._read.clear()
        self.calls.clear()
        self.plans.clear()
        for draft in self._drafts.values():
            draft.restart()

    async def take(self, link: Link, conversation_ids: Collection[str]) -> None:
        """Claim these before the transaction runs, in an order that is the same for everybody."""
        for key in sorted(conversation_ids):
            await self._claims.lanes.take(key)
            try:
                base = await self._claims.claim(link, key)
            except BaseException:
                self._claims.lanes.give(key)
                raise
            if base is None:
                self._claims.lanes.give(key)
            else:
                self._drafts[key] = Draft(key, base)

    async def draft(self, link: Link, conversation_id: str) -> Draft | None:
        """The changes of a log, claimed for them; None without a log.

        Raises:
            Wanted: the claim has to be waited for, or the log was read before it was claimed.
        """
        known = self._drafts.get(conversation_id)
        if known is not None:
            return known
        if conversation_id in self._read or not self._claims.lanes.try_take(conversation_id):
            raise Wanted(conversation_id)
        try:
            base = await self._claims.try_claim(link, conversation_id)
        except BaseException as error:
            self._claims.lanes.give(conversation_id)
            if isinstance(error, Held):
                raise Wanted(conversation_id) from None
            raise
        if base is None:
            self._claims.lanes.give(conversation_id)
            return None
        return self._drafts.setdefault(conversation_id, Draft(conversation_id, base))

    def await_claim(self, conversation_id: str) -> None:
        """Have the transaction run under the claim of a log, after whatever is on its way there.

        Raises:
            Wanted: unless it does already.
        """
        if conversation_id not in self._drafts:
            raise Wanted(conversation_id)

    async def open(self, link: Link, conversation_id: str) -> bool:
        """Begin a log; False when there is one."""
        known = self._drafts.get(conversation_id)
        if known is not None:
            return known.base.revision == 0 and not known.told
        if not self._claims.lanes.try_take(conversation_id):
            return False
        try:
            base = await open_head(link, conversation_id, new_id())
        except BaseException:
            self._claims.lanes.give(conversation_id)
            raise
        if base is None:
            self._claims.lanes.give(conversation_id)
            return False
        self._drafts[conversation_id] = Draft(conversation_id, base)
        return True

    async def find(self, link: Link, message_id: str) -> Bare | None:
        """A message as this transaction sees it. Unless its log is claimed, it may change meanwhile."""
        for draft in self._drafts.values():
            if message_id in draft.overlay.messages:
                return draft.overlay.messages[message_id]
        place = await place_of(link, message_id)
        if place is None:
            return None
        if place[0] not in self._drafts:
            self._read.add(place[0])
        found = await bare_at(link, *place)
        return found if found is not None and found.message.message_id == message_id else None

    async def place(self, link: Link, message_id: str) -> str | None:
        """The conversation of a message."""
        for key, draft in self._drafts.items():
            if message_id in draft.overlay.messages:
                return key
        place = await place_of(link, message_id)
        return None if place is None else place[0]

    async def message(self, link: Link, message_id: str, viewer_id: str | None) -> StoredMessage | None:
        """See `Timeline.message_in`."""
        found = await self.find(link, message_id)
        if found is None:
            return None
        draft = self._drafts.get(found.message.conversation_id)
        return (await complete(link, [found], viewer_id, None if draft is None else draft.overlay))[0]

    def seal(self, tx: WriteTx) -> None:
        """Decide the changes together with the transaction; its last act."""
        self.plans += (draft.plan() for draft in self._drafts.values() if draft.changed)
        for plan in self.plans:
            try:
                intents.propose(tx, plan, self._now)
            except IntegrityError:
                # We seemed to be gone, and somebody saw to it that this is not committed any more.
                raise Wanted(plan.conversation_id) from None
        if not self.plans:
            for sink, item in self.calls:
                if sink is None:
                    tx.after_commit(item)
                else:
                    tx.deliver(sink, item)

    async def finish(self, link: Link) -> None:
        """The transaction was committed: carry its plans out, then tell.

        Raises:
            ApiError: `TIMELINE_UNAVAILABLE`; the rest is done by whoever finds it undone.
        """
        planned = {plan.conversation_id for plan in self.plans}
        unused = [draft for key, draft in self._drafts.items() if key not in planned]
        results = await asyncio.gather(
            *(self._claims.carry_out(link, plan) for plan in self.plans),
            *(self._claims.give_back(link, draft.conversation_id, draft.base) for draft in unused),
            return_exceptions=True,
        )
        done = {
            plan.conversation_id
            for plan, result in zip(self.plans, results, strict=False)
            if not isinstance(result, BaseException)
        }
        ours = {
            plan.conversation_id for plan, result in zip(self.plans, results, strict=False) if result is True
        }
        for plan in self.plans:
            if plan.conversation_id in done:
                self._claims.done(plan)
        if self.plans:
            self._tell(ours)
        self._let_go()
        failed = [one for one in results[: len(self.plans)] if isinstance(one, BaseException)]
        if failed:
            raise failed[0]

    async def give_back(self, link: Link) -> None:
        """The transaction was not committed: nothing has happened."""
        drafts = list(self._drafts.values())
        await asyncio.gather(
            *(self._claims.give_back(link, draft.conversation_id, draft.base) for draft in drafts),
            return_exceptions=True,  # a claim that stays behind is found by the next one that wants it
        )
        self._let_go()

    async def in_doubt(self, link: Link) -> None:
        """Nobody knows whether the transaction was committed: ask, or leave it to whoever comes next."""
        for draft in self._drafts.values():
            try:
                await self._claims.recover(link, draft.conversation_id, draft.base.claim)
            except ApiError:
                log.warning("what became of a transaction is open", conversation_id=draft.conversation_id)
        self._let_go()

    def _let_go(self) -> None:
        for key in self._drafts:
            self._claims.lanes.give(key)
        self._drafts.clear()

    def _tell(self, conversations: Collection[str]) -> None:
        waiting: list[Any] = []
        last: Callable[[Sequence[Any]], None] | None = None
        for sink, item in [*self.calls, (None, _nothing)]:
            if waiting and sink is not last and last is not None:
                _guarded(last, waiting)
                waiting = []
            if sink is None:
                _guarded(item)
            elif getattr(item, "conversation_id", None) is None or item.conversation_id in conversations:
                waiting.append(item)
            last = sink


def _nothing() -> None:
    pass


def _guarded(call: Callable[..., None], *args: Any) -> None:
    try:
        call(*args)
    except Exception:
        log.exception("a listener failed after a commit")


class ClaimedTx:
    """The `WriteTx` of a transaction that may change logs in Cassandra."""

    __slots__ = ("_tx", "scope")

    def __init__(self, tx: WriteTx, scope: Scope) -> None:
        self._tx = tx
        self.scope = scope

    @property
    def conn(self) -> Connection:
        return self._tx.conn

    def run(self, sql: str, params: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._tx.run(sql, params)

    def after_commit(self, callback: Callable[[], None]) -> None:
        self.scope.calls.append((None, callback))

    def deliver(self, sink: Callable[[Sequence[Any]], None], item: object) -> None:
        self.scope.calls.append((sink, item))
