"""Appends of messages: those that wait at one moment are decided in one relational transaction, and what they
mean is written to Cassandra together.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec
from sqlalchemy.exc import IntegrityError

from secureconnect.infra.database.base import BatchDatabase, BatchTx
from secureconnect.infra.timeline import decided_heads, intents, remembered_sends
from secureconnect.infra.timeline.base import (
    Appended,
    GuardChanged,
    NewEvent,
    Statement,
    StoredEvent,
)
from secureconnect.infra.timeline.batches import Batches
from secureconnect.infra.timeline.cassandra_commits import Commits
from secureconnect.infra.timeline.cassandra_database import LogDatabase
from secureconnect.infra.timeline.cassandra_draft import Draft
from secureconnect.infra.timeline.cassandra_link import Link
from secureconnect.infra.timeline.cassandra_order import Turn
from secureconnect.infra.timeline.cassandra_rows import Bare, Overlay, place_of, quotes_of
from secureconnect.infra.timeline.cassandra_tx import LogTx
from secureconnect.infra.timeline.intents import Plan
from secureconnect.infra.timeline.remembered_sends import SendKey, key_of
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError

__all__ = ["Sender"]

Tell = Callable[[Sequence[StoredEvent]], None]
Outcome = Appended | BaseException


class _Send(NamedTuple):
    event: NewEvent
    guard: int
    also: Sequence[Statement]
    key: SendKey | None


class _Decided:
    """What one transaction did: for each of its sends the event, or why there is none; None has to be looked
    at alone. `stale`: logs with the commit that a sender did not know of. `quoted`: places of the messages
    that are answered, by the number of the send."""

    def __init__(self, results: list[StoredEvent | Exception | None]) -> None:
        self.results = results
        self.plans: list[Plan] = []
        self.stale: dict[str, int] = {}
        self.quoted: dict[int, int | None] = {}
        self.turn: Turn | None = None


class Sender:
    """Appends under guards. `tell` hears what was sent, in order."""

    def __init__(
        self,
        database: BatchDatabase,
        logs: LogDatabase,
        commits: Commits,
        link: Link,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._database = database
        self._logs = logs
        self._commits = commits
        self._link = link
        self._clock = clock
        self._tell = tell
        self._batches = Batches[_Send, Appended](self._run, lane=_log_of, once=_key_of)

    async def append(self, event: NewEvent, guard: int, also: Sequence[Statement]) -> Appended:
        """See `Timeline.append`."""
        return await self._batches.add(_Send(event, guard, also, key_of(event)))

    async def close(self) -> None:
        """Finish what was accepted."""
        await self._batches.close()

    async def _run(self, sends: Sequence[_Send], make_way: Callable[[], None]) -> Sequence[Outcome]:
        if self._link.in_doubt:
            make_way()
        outcomes = await self._look(sends)
        together = _together(sends, outcomes)
        if together:
            parts = await self._decided([sends[place] for place in together])
            make_way()
            for place, outcome in zip(together, await self._carried_out(parts), strict=True):
                outcomes[place] = outcome
        make_way()
        rest: dict[str, list[int]] = {}
        for place, outcome in enumerate(outcomes):
            if outcome is None:
                rest.setdefault(sends[place].event.conversation_id, []).append(place)
        alone: dict[int, Outcome] = {}

        async def in_order(places: list[int]) -> None:
            for place in places:
                alone[place] = await self._alone(sends[place])

        await asyncio.gather(*map(in_order, rest.values()))
        return [alone[place] if outcome is None else outcome for place, outcome in enumerate(outcomes)]

    async def _look(self, sends: Sequence[_Send]) -> list[Outcome | None]:
        """Why some of them are refused before anything is decided: ids that are there already, of sends that
        have no other name, and logs that cannot be reached.
        """
        if self._link.in_doubt:
            with contextlib.suppress(ApiError):  # or each is told so itself
                await self._commits.reach(self._link, sends[0].event.conversation_id)
        if self._link.in_doubt or any(send.key is None for send in sends):
            return await asyncio.gather(*map(self._refusal, sends))
        return [None] * len(sends)

    async def _refusal(self, send: _Send) -> Outcome | None:
        event = send.event
        try:
            await self._commits.reach(self._link, event.conversation_id)
            if send.key is None and event.message is not None:
                return _clash() if await place_of(self._link, event.event_id) is not None else None
        except ApiError as error:
            return error
        return None

    async def _decided(self, sends: Sequence[_Send]) -> list[_Decided]:
        """Decide about all of them; when one is refused, about halves, down to the one that is."""
        done, proposed = self._commits.take_done(), self._commits.proposed
        tried: list[str] = []
        work = partial(self._decide, sends, done, tried, self._clock.now())
        try:
            decided = await self._database.write_locked(work)
        except IntegrityError:
            self._commits.put_back(done)
            if len(sends) == 1:
                return [_Decided([None])]
            half = len(sends) // 2
            return [*await self._decided(sends[:half]), *await self._decided(sends[half:])]
        except Exception as error:  # noqa: BLE001 - it is the outcome of all of them
            self._commits.put_back(done)
            return [_Decided([error] * len(sends))]
        finally:
            proposed.difference_update(tried)
        self._commits.noted(done)
        return [decided]

    def _decide(
        self,
        sends: Sequence[_Send],
        done: Sequence[tuple[str, str]],
        tried: list[str],
        now: int,
        tx: BatchTx,
    ) -> _Decided:
        heads = decided_heads.lock_all(tx, sorted({send.event.conversation_id for send in sends}))
        earlier = remembered_sends.find_all(tx, [send.key for send in sends if send.key is not None])
        decided = _Decided([])
        drafts: dict[str, Draft] = {}
        remembered: list[tuple[str, str, str, str, int, int]] = []
        riding: dict[str, list[tuple[Any, ...]]] = {}
        for event, guard, also, key in sends:
            log = event.conversation_id
            head = heads.get(log)
            if key in earlier:
                decided.results.append(None)
                continue
            if head is None or head.guard != guard:
                decided.results.append(GuardChanged())
                if head is not None:
                    decided.stale[log] = head.revision
                continue
            draft = drafts.get(log) or drafts.setdefault(log, Draft(log, head))
            stored = draft.bring(event)
            if event.message is not None and event.message.quote is not None:
                decided.quoted[len(decided.results)] = event.message.quote.seq
            decided.results.append(stored)
            if key is not None:
                remembered.append((*key, event.event_id, stored.seq, event.sent_at))
            for statement in also:
                riding.setdefault(statement.sql, []).append((stored.seq, *statement.params))
        if drafts:
            decided.plans = [draft.plan(intents.SEND) for draft in drafts.values()]
            decided_heads.move_all(tx, [(key, draft.head) for key, draft in drafts.items()])
            remembered_sends.remember_all(tx, remembered)
            for sql, rows in riding.items():
                tx.run_many(sql, rows)
            tried += (plan.plan_id for plan in decided.plans)
            self._commits.proposed.update(tried)
            intents.propose_all(tx, decided.plans, now)
            tx.after_commit(partial(self._take_turn, decided))
        intents.settle(tx, done, now)
        tx.works = sum(len(plan.event_ids) for plan in decided.plans)
        return decided

    def _take_turn(self, decided: _Decided) -> None:
        decided.turn = self._commits.decided(decided.plans)

    async def _carried_out(self, parts: Sequence[_Decided]) -> list[Outcome | None]:
        turns = [part.turn for part in parts if part.turn is not None]
        try:
            failed = await self._commits.carry_out(
                self._link, [plan for part in parts for plan in part.plans]
            )
            await asyncio.gather(*(self._quoted(part) for part in parts))
            for part in parts:
                # Whoever reads the head again has to see what made it stale.
                await asyncio.gather(*(self._settled(*log) for log in part.stale.items()))
                if part.turn is not None:
                    await part.turn.come()
                    self._tell(
                        [
                            event
                            for event in part.results
                            if isinstance(event, StoredEvent) and event.conversation_id not in failed
                        ]
                    )
                    part.turn.end()
        finally:
            for turn in turns:
                turn.end()
        return [
            failed.get(result.conversation_id) or Appended(result)
            if isinstance(result, StoredEvent)
            else result
            for part in parts
            for result in part.results
        ]

    async def _quoted(self, part: _Decided) -> None:
        """Let answers show what the messages say now that they answer."""
        for place, seq in part.quoted.items():
            event = part.results[place]
            assert isinstance(event, StoredEvent)
            assert event.message is not None
            with contextlib.suppress(ApiError):  # it is there, and told without
                quotes = await quotes_of(self._link, [Bare(event.message, seq)], Overlay())
                shown = quotes.get(event.message.reply_to_message_id or "")
                message = msgspec.structs.replace(event.message, quote=shown)
                part.results[place] = msgspec.structs.replace(event, message=message)

    async def _settled(self, conversation_id: str, revision: int) -> None:
        with contextlib.suppress(ApiError):
            await self._commits.settled(self._link, conversation_id, revision)

    async def _alone(self, send: _Send) -> Outcome:
        try:
            return await self._logs.write_logs(partial(self._one, send), brief=True)
        except Exception as error:  # noqa: BLE001 - it is the outcome of this one alone
            return error

    def _one(self, send: _Send, tx: LogTx) -> Appended:
        event, key = send.event, send.key
        draft = tx.draft(event.conversation_id)
        if draft is None:
            raise GuardChanged
        if key is not None:
            seq = remembered_sends.find(tx, key)
            if seq is not None:
                log, reader = event.conversation_id, self._commits.reader
                first = tx.read(draft, lambda link: reader.event_at(link, log, seq))
                if first is not None:
                    return Appended(first, duplicate=True)
                # Retention removed the first message since: there is no result to repeat, so this is a new
                # send.
                remembered_sends.forget(tx, key)
        if send.guard != draft.guard:
            tx.settle(draft)
            raise GuardChanged
        stored = tx.append(draft, event)
        if key is not None:
            remembered_sends.remember(tx, key, event.event_id, stored.seq, event.sent_at)
        for statement in send.also:
            tx.run(statement.sql, (stored.seq, *statement.params))
        tx.deliver(self._tell, stored)
        return Appended(stored)


def _log_of(send: _Send) -> str:
    return send.event.conversation_id


def _key_of(send: _Send) -> SendKey | str:
    return send.key or send.event.event_id


def _clash() -> IntegrityError:
    return IntegrityError("INSERT INTO messages", {}, ValueError("message_id is not unique"))


def _together(sends: Sequence[_Send], outcomes: Sequence[Outcome | None]) -> list[int]:
    """The numbers of those that are decided together: not what needs a look at other messages, nor what
    comes after that in the same log."""
    later: set[str] = set()
    found: list[int] = []
    for place, (send, outcome) in enumerate(zip(sends, outcomes, strict=True)):
        log = send.event.conversation_id
        if outcome is not None:
            continue
        if _is_simple(send) and log not in later:
            found.append(place)
        else:
            later.add(log)
    return found


def _is_simple(send: _Send) -> bool:
    """Whether it is decided without a look at other messages, and changes none."""
    event, message = send.event, send.event.message
    return message is not None and message.thread_root_id is None and not callable(event.data)
