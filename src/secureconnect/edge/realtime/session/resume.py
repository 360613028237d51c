"""Bringing a returning client up to date (docs/reference/realtime.md §3): decide, answer, replay.

The decision ends in one step without await, against the position that fan-out has reached at that moment.
What lies at or below it is replayed from the store, what lies above comes from fan-out: nothing is sent
twice, nothing is left out.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import msgspec

from secureconnect.edge.realtime.base import EventFrame, Standing
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.session.backlog import Due
from secureconnect.edge.realtime.session.state import State
from secureconnect.edge.realtime.settings import RESUME_MAX_TOTAL
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError

if TYPE_CHECKING:
    from secureconnect.edge.realtime.session.chat import Session

__all__ = ["CLOSE", "END", "Outcome", "Reason", "flush", "replay", "resolve"]

log = get_logger()

#: Skip until the conversation ends for this user.
END = 2**63

#: Stands in the backlog of a filtered socket where it ends.
CLOSE = b""

Reason = Literal["ahead", "too_many", "truncated", "removed", "unavailable"]

_PAGE = 100  # events per read
_PROBED = 200  # events read before the answer, so that most resumes know what they promise
_ROUNDS = 10  # readings of memberships that keep changing
_TRIES = 6
_BREATH = 64  # frames, or …
_BREATH_BYTES = 128 * 1024  # … bytes sent before the socket is asked whether it keeps up


class Outcome(msgspec.Struct, omit_defaults=True):
    """One conversation's entry in the `ack` of `hello`."""

    recovered: bool
    last_seq: int
    reason: Reason | None = None


class _Plan(msgspec.Struct):
    """What is known about one listed conversation before the decision."""

    given: int
    head: int = 0
    reason: Reason | None = None
    frames: list[EventFrame] = []


async def resolve(session: "Session", positions: Mapping[str, int]) -> dict[str, Outcome] | None:
    """Decide about every listed conversation and put what is owed into the session's backlog.

    None when the socket closed meanwhile.
    """
    plans: dict[str, _Plan] = {}
    for _ in range(_ROUNDS):
        changes = session.user.changes
        plans = await _plans(session, positions)
        await _probe(session, plans)
        if session.state is not State.RESUMING:
            return None
        if session.user.changes == changes:
            break  # else memberships moved while they were read
    return {name: _decide(session, name, plan) for name, plan in plans.items()}


async def _plans(session: "Session", positions: Mapping[str, int]) -> dict[str, _Plan]:
    host = session.host
    standings: Mapping[str, Standing] | None
    try:
        standings = await host.memberships.standings(session.user.user_id)
    except ApiError:
        standings = None
    plans: dict[str, _Plan] = {}
    total = 0
    for conversation_id, given in positions.items():
        plan = plans[conversation_id] = _plan(session, standings, conversation_id, given)
        missing = plan.head - given
        if plan.reason is None and missing > 0:
            if missing > host.settings.resume_max_events or total + missing > RESUME_MAX_TOTAL:
                plan.reason = "too_many"
            else:
                total += missing
    return plans


def _plan(
    session: "Session", standings: Mapping[str, Standing] | None, conversation_id: str, given: int
) -> _Plan:
    lane = session.user.lanes.get(conversation_id)
    if standings is None:
        if lane is None:
            return _Plan(given, reason="removed")  # as read when the socket was accepted, and no hint since
        return _Plan(given, lane.position, "unavailable")
    standing = standings.get(conversation_id)
    if standing is None:
        return _Plan(given, reason="removed")
    head = standing.last_seq if lane is None else max(standing.last_seq, lane.position)
    if session.filter not in {None, conversation_id}:
        return _Plan(given, head, "unavailable")  # this socket gets none of its events
    if given > head:
        return _Plan(given, head, "ahead")
    if given + 1 < standing.first_visible_seq:
        return _Plan(given, head, "truncated")
    return _Plan(given, head)


async def _probe(session: "Session", plans: Mapping[str, _Plan]) -> None:
    """Read the first missing events, so that what cannot be read is answered and not promised."""
    budget = _PROBED
    failures = 0
    for conversation_id, plan in plans.items():
        if plan.reason is not None or plan.given >= plan.head or budget <= 0:
            continue
        if failures > 1:
            plan.reason = "unavailable"  # the store is down; do not ask it a thousand times
            continue
        try:
            plan.frames = await session.host.source.frames(
                session.user.user_id, conversation_id, after_seq=plan.given, upto_seq=plan.head, limit=_PAGE
            )
        except ApiError:
            failures += 1
            plan.reason = "unavailable"
            continue
        budget -= len(plan.frames)
        if not _consecutive(plan.frames, plan.given):
            plan.reason = "truncated"


def _decide(session: "Session", conversation_id: str, plan: _Plan) -> Outcome:
    backlog = session.backlog
    assert backlog is not None
    lane = session.user.lanes.get(conversation_id)
    if lane is None and conversation_id in backlog.queues:
        plan.reason = "removed"  # since this socket was accepted; what is held tells so
    elif lane is None and plan.reason is None:
        # A member for the store, not yet for fan-out, which will bring `conversation_added` first.
        plan.reason = "unavailable"
    # What lies at or below the floor will not come from fan-out either (see LocalUser.floors).
    position = max(lane.position, session.user.floor(conversation_id)) if lane is not None else 0
    head = max(plan.head, position)
    if lane is None:
        backlog.drop_events(conversation_id)
    else:
        backlog.purge(conversation_id)
    if plan.reason == "removed":
        if lane is not None:
            _skip(session, conversation_id, END)  # fan-out has yet to come to the removal
        return Outcome(recovered=False, last_seq=0, reason="removed")
    if plan.reason is not None:
        if head > position:
            _skip(session, conversation_id, head)
        return Outcome(recovered=False, last_seq=head, reason=plan.reason)
    frames = [frame for frame in plan.frames if frame.seq <= position]
    if frames or position > plan.given:
        backlog.replace(conversation_id, frames, frames[-1].seq if frames else plan.given, position)
    if plan.given > position:
        _skip(session, conversation_id, plan.given)
    if lane is not None and head > position:
        lane.want(head)
    return Outcome(recovered=True, last_seq=head)


def _skip(session: "Session", conversation_id: str, upto: int) -> None:
    if session.skip is None:
        session.skip = {}
    session.skip[conversation_id] = upto


def flush(session: "Session") -> bool:
    """Send what is held when that is little and nothing must be read; False when it takes `replay`."""
    backlog = session.backlog
    assert backlog is not None
    dues = [due.frame for queue in backlog.queues.values() for due in queue]
    if (
        len(dues) > _BREATH
        or sum(_BREATH_BYTES if frame is None else len(frame) for frame in dues) > _BREATH_BYTES // 2
    ):
        return False
    for queue in backlog.queues.values():
        while queue:
            _send(session, backlog.take(queue))
    session.go_live()
    return True


async def replay(session: "Session") -> None:
    """Send everything owed, at the pace of the socket, and go live. Closes the socket when it cannot."""
    backlog = session.backlog
    if backlog is None:
        return
    pace = _Pace(session)
    while backlog.queues and session.socket.open:
        conversation_id, queue = next(iter(backlog.queues.items()))
        while queue and session.socket.open:
            due = queue[0]
            if due.frame is not None:
                _send(session, backlog.take(queue))
                await pace.sent(due.frame)
            elif not await _replay_page(session, conversation_id, queue, due, pace):
                return
        if not queue and backlog.queues.get(conversation_id) is queue:
            del backlog.queues[conversation_id]
    session.go_live()


class _Pace:
    """Waits for the socket now and then, so that a replay never fills its buffer."""

    __slots__ = ("_bytes", "_frames", "_session")

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._frames = 0
        self._bytes = 0

    async def sent(self, frame: bytes) -> None:
        self._frames += 1
        self._bytes += len(frame)
        if self._frames >= _BREATH or self._bytes >= _BREATH_BYTES:
            self._frames = self._bytes = 0
            await self._session.socket.drained()


async def _replay_page(
    session: "Session", conversation_id: str, queue: deque[Due], due: Due, pace: _Pace
) -> bool:
    frames = await _read(session, conversation_id, due)
    if queue and queue[0] is due and (not frames or not _consecutive(frames, due.after)):
        code = CloseCode.DEPENDENCY_UNAVAILABLE if frames is None else CloseCode.INTERNAL_ERROR
        if session.socket.open:
            log.warning("replay broken off", code=code, connection_id=session.connection_id)
        session.close(code)
        return False
    for seq, frame in frames or ():
        # Each wait may have brought the end of the conversation or of the socket.
        if not session.socket.open or not queue or queue[0] is not due:
            break
        session.reply(frame)
        due.after = seq
        if due.after >= due.upto:
            queue.popleft()
        await pace.sent(frame)
    return True


async def _read(session: "Session", conversation_id: str, due: Due) -> list[EventFrame] | None:
    """The next page of `due`; None when the store did not answer in several tries."""
    wait = session.host.retry_first
    for attempt in range(_TRIES):
        try:
            return await session.host.source.frames(
                session.user.user_id,
                conversation_id,
                after_seq=due.after,
                upto_seq=min(due.upto, due.after + _PAGE),
                limit=_PAGE,
            )
        except ApiError as error:
            log.info("replay waits for the store", code=error.code.name, attempt=attempt)
            await asyncio.sleep(wait)
            wait *= 2
            if not session.socket.open:
                break
    return None


def _send(session: "Session", due: Due) -> None:
    if due.frame == CLOSE:
        session.close(CloseCode.REMOVED)
    elif due.frame is not None:
        session.reply(due.frame)


def _consecutive(frames: list[EventFrame], after: int) -> bool:
    return bool(frames) and all(frame.seq == after + at for at, frame in enumerate(frames, 1))
