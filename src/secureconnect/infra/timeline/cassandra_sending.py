"""Appends of messages: those of one conversation that wait at the same time are committed together."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from sqlalchemy.exc import IntegrityError

from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.timeline import cassandra_intents as intents
from secureconnect.infra.timeline.base import (
    Appended,
    GuardChanged,
    NewEvent,
    NewMessage,
    Statement,
    StoredEvent,
)
from secureconnect.infra.timeline.cassandra_claims import Claims
from secureconnect.infra.timeline.cassandra_draft import Draft
from secureconnect.infra.timeline.cassandra_head import HeadRow
from secureconnect.infra.timeline.cassandra_intents import Plan
from secureconnect.infra.timeline.cassandra_link import Link, unavailable
from secureconnect.infra.timeline.cassandra_riding import Refused, Ride, Riding
from secureconnect.infra.timeline.cassandra_rows import place_of
from secureconnect.kit.ids import new_id

__all__ = ["Sender"]

log = get_logger()

#: Events per commit; what they say stands in the head until the next one.
_TOGETHER: Final = 64
#: Commits under one claim before others get a turn.
_IN_A_ROW: Final = 4
#: After several were sent at once more come soon: their claim is worth waiting for, so many seconds.
_SOON: Final = 0.005


class _Wish(NamedTuple):
    event: NewEvent
    guard: int
    also: Sequence[Statement]
    answer: "asyncio.Future[Appended]"


class Sender:
    """Appends under guards. One commit costs two conditional writes, for all of the messages in it; the
    relational commit before it is shared with other conversations.
    """

    def __init__(
        self,
        riding: Riding,
        claims: Claims,
        tell: Callable[[Sequence[StoredEvent]], None],
    ) -> None:
        self._riding = riding
        self._claims = claims
        self._tell = tell
        self._waiting: dict[str, deque[_Wish]] = {}
        self._hoping: dict[str, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def append(self, link: Link, event: NewEvent, guard: int, also: Sequence[Statement]) -> Appended:
        """See `Timeline.append`."""
        answer: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        wish = _Wish(event, guard, also, answer)
        queue = self._waiting.get(event.conversation_id)
        if queue is not None:
            queue.append(wish)
            hope = self._hoping.pop(event.conversation_id, None)
            if hope is not None and not hope.done():
                hope.set_result(None)
        else:
            self._waiting[event.conversation_id] = deque([wish])
            task = asyncio.create_task(self._work(link, event.conversation_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def close(self) -> None:
        """Finish what was accepted."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, link: Link, conversation_id: str) -> None:
        queue = self._waiting[conversation_id]
        while queue:
            await self._claims.lanes.take(conversation_id)
            try:
                base: HeadRow | None = None
                for left in reversed(range(_IN_A_ROW)):
                    base = await self._some(link, conversation_id, queue, base, last=left == 0)
                    if base is None:
                        break
                    if not queue and not await self._more(conversation_id, queue):
                        await self._claims.give_back(link, conversation_id, base)
                        break
            except Exception:
                log.exception("a claim was left behind")
            finally:
                self._claims.lanes.give(conversation_id)
        del self._waiting[conversation_id]

    async def _more(self, conversation_id: str, queue: deque[_Wish]) -> bool:
        """Whether somebody sends within a moment."""
        loop = asyncio.get_running_loop()
        hope = self._hoping[conversation_id] = loop.create_future()
        timer = loop.call_later(_SOON, _give_up, hope)
        await hope
        timer.cancel()
        self._hoping.pop(conversation_id, None)
        return bool(queue)

    async def _some(
        self,
        link: Link,
        conversation_id: str,
        queue: deque[_Wish],
        base: HeadRow | None,
        *,
        last: bool,
    ) -> HeadRow | None:
        """Commit what waits, under the claim `base` if there is one; returns the head when it is still
        claimed, for those that came meanwhile.
        """
        wishes = [queue.popleft() for _ in range(min(len(queue), _TOGETHER))]
        try:
            return await self._commit(link, conversation_id, wishes, queue, base, last=last)
        except Exception as error:  # noqa: BLE001 - every sender is told
            for wish in wishes:
                _answer(wish, error)
            return None

    async def _commit(
        self,
        link: Link,
        conversation_id: str,
        wishes: list[_Wish],
        queue: deque[_Wish],
        base: HeadRow | None,
        *,
        last: bool,
    ) -> HeadRow | None:
        if base is None:
            base = await self._claims.claim(link, conversation_id)
        if base is None:
            for wish in wishes:
                _answer(wish, GuardChanged())
            return None
        draft = Draft(conversation_id, base)
        try:
            first = await self._look(link, draft, wishes)
            decision = await self._decide(
                link, draft, wishes, first, hold=not last and (bool(queue) or len(wishes) > 1)
            )
        except BaseException:
            await self._undo(link, conversation_id, base)
            raise
        if decision is None:
            await self._claims.give_back(link, conversation_id, base)
            return None
        plan, repeats = decision
        started = time.monotonic()
        ours = await self._claims.carry_out(link, plan)
        self._riding.took(time.monotonic() - started)
        if ours:
            self._tell(draft.told)
        else:
            await self._lost(link, plan)
        self._claims.done(plan)
        for wish, event in repeats:
            _answer(wish, Appended(event, duplicate=True))
        at = {event.event_id: event for event in draft.told}
        for wish in wishes:
            if not wish.answer.done():
                _answer(wish, Appended(at[wish.event.event_id]))
        return plan.to if ours and plan.to.claim else None

    async def _undo(self, link: Link, conversation_id: str, base: HeadRow) -> None:
        """Give the claim back, or have it found out what became of the transaction under it."""
        try:
            await self._claims.recover(link, conversation_id, base.claim)
        except Exception:  # noqa: BLE001 - whoever comes next does it
            return

    async def _lost(self, link: Link, plan: Plan) -> None:
        """The claim was taken from us: by somebody who finished this, unless nothing had been decided."""
        row = await self._claims.reader.rows(
            link, plan.conversation_id, plan.base.last_seq + 1, plan.base.last_seq + 1, 1
        )
        if not row or row[0][1] not in plan.event_ids:
            raise unavailable("The conversation is being changed; nothing was stored.")

    async def _look(self, link: Link, draft: Draft, wishes: Sequence[_Wish]) -> dict[int, StoredEvent]:
        """What earlier sends with the same ids led to, by the number of the wish."""
        messages: list[NewMessage] = []
        numbers: list[int] = []
        for number, wish in enumerate(wishes):
            event = wish.event
            if event.message is None:
                continue
            if event.message.client_message_id is not None:
                messages.append(event.message)
                numbers.append(number)
            elif await place_of(link, event.event_id) is not None:
                _answer(
                    wish, IntegrityError("INSERT INTO messages", {}, ValueError("message_id is not unique"))
                )
        found: dict[int, StoredEvent] = {}
        for number, seq in zip(numbers, await draft.earlier_of_each(link, messages), strict=True):
            if seq is None:
                continue
            event_there = await self._claims.reader.event_at(link, draft.conversation_id, seq)
            # Retention may have removed it: there is no result to repeat, so this is a new send.
            if event_there is not None:
                found[number] = event_there
        return found

    async def _decide(
        self,
        link: Link,
        draft: Draft,
        wishes: Sequence[_Wish],
        first: dict[int, StoredEvent],
        *,
        hold: bool,
    ) -> tuple[Plan, list[tuple[_Wish, StoredEvent]]] | None:
        """Answer those that are refused or repeat, and decide about the rest; None when there is none.

        `hold`: the next commit may begin where this one ends.

        With the plan those that repeat a part of it.
        """
        for number, wish in enumerate(wishes):
            if wish.answer.done():
                continue
            if number in first:
                _answer(wish, Appended(first[number], duplicate=True))
        while True:
            draft.restart()
            new: list[_Wish] = []
            repeats: list[tuple[_Wish, StoredEvent]] = []
            for wish in wishes:
                message = wish.event.message
                if wish.answer.done():
                    continue
                key = (None, None) if message is None else (message.sender_id, message.client_message_id)
                if key in draft.sent:
                    seq = draft.sent[key]
                    repeats.append((wish, next(event for event in draft.told if event.seq == seq)))
                elif wish.guard != draft.base.guard:
                    _answer(wish, GuardChanged())
                else:
                    await draft.append(link, wish.event)
                    new.append(wish)
            if not new:
                return None
            more = hold and not self._claims.lanes.wanted(draft.conversation_id)
            plan = draft.plan(intents.SEND, new_id() if more else "")
            if any(wish.also for wish in new):
                also = [(event.seq, wish.also) for wish, event in zip(new, draft.told, strict=True)]
                try:
                    await self._riding.decide(Ride(plan, also))
                except Refused as refused:
                    _answer(new[refused.seq - also[0][0]], refused.cause)
                    continue
            return plan, repeats


def _give_up(hope: "asyncio.Future[None]") -> None:
    if not hope.done():
        hope.set_result(None)


def _answer(wish: _Wish, answer: Appended | BaseException) -> None:
    if wish.answer.done():
        return  # whoever asked went away
    if isinstance(answer, Appended):
        wish.answer.set_result(answer)
    else:
        wish.answer.set_exception(answer)
