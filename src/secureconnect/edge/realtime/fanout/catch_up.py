"""What a lane does when the next event does not simply arrive: wait a moment, read the store, let people in.

Hints may be lost, repeated or reordered; what they skip is read from the store, rendered for each viewer.
Reads that fail are repeated for as long as somebody follows the conversation.
"""

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING

from secureconnect.edge.realtime.base import EventFrame
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.fanout.local_user import LocalUser
from secureconnect.edge.realtime.frames import event_head
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError
from secureconnect.kit.hints import EventHint

if TYPE_CHECKING:
    from secureconnect.edge.realtime.fanout.lane import Lane

__all__ = ["ADDING", "subjects_of", "work"]

log = get_logger()

#: Kinds of events that make members.
ADDING = frozenset({"member_added", "conversation_created"})

_PAGE = 100  # events per read of a gap
_AT_ONCE = 8  # viewers read for at the same time
_TRIES = 8  # attempts at what the store does not have before the sockets concerned are closed


async def work(lane: "Lane") -> None:
    """Bring `lane` from its position to what it wants."""
    failures = 0
    reading = told = False
    while lane.position < lane.wanted:
        hint = lane.pending.pop(lane.position + 1, None) if lane.pending is not None else None
        told = hint is not None and hint.personal
        if told:
            hint, reading = None, True
        try:
            if hint is not None:
                await _let_in(lane, hint.kind, hint.seq, subjects_of(hint))
                lane.deliver_hint(hint)
                reading = False
            elif reading or not await _late_hint(lane):
                before = lane.position
                reading = await _read_gap(lane, failures)
                if not told and lane.position > before:
                    lane.host.caught_up(lane.position - before)
                if not reading:
                    failures += 1
                    await asyncio.sleep(_wait(lane, failures))
                    continue
            failures = 0
        except Exception as error:  # noqa: BLE001 - a store that is down must not end fan-out
            failures += 1
            if failures == 1:
                _complain(error)
            if hint is not None and hint.seq > lane.position:
                lane.pending = lane.pending or {}
                lane.pending.setdefault(hint.seq, hint)
            await asyncio.sleep(_wait(lane, failures))
    lane.caught_up()


def subjects_of(hint: EventHint) -> Collection[str]:
    """The users that a membership event is about."""
    if hint.kind == "conversation_created":
        return event_head(hint.frame).subjects
    return () if hint.subject_id is None else (hint.subject_id,)


def _complain(error: Exception) -> None:
    if isinstance(error, ApiError):
        log.warning("fan-out waits for the store", code=error.code.name)
    else:
        log.warning("fan-out failed and tries again", exc_info=error)


async def _let_in(lane: "Lane", kind: str, seq: int, subjects: Collection[str]) -> bool:
    """Make the subjects of an adding event members; True when one of them is here and came in."""
    came = False
    if kind not in ADDING:
        return False
    users = lane.host.users
    for user_id in subjects:
        user = users.get(user_id)
        if user is None or user_id in lane.members:
            continue
        user.changes += 1
        if user.loading is not None:
            continue  # it reads its memberships once more and finds this one
        frame = await lane.host.memberships.added_frame(user_id, lane.conversation_id)
        if frame is None or users.get(user_id) is not user or user_id in lane.members:
            continue
        came = True
        lane.join(user)
        for session in user.sessions:
            session.control(lane.conversation_id, frame, seq)
    return came


async def _late_hint(lane: "Lane") -> bool:
    """Give a hint that was overtaken a moment; True when it came."""
    if lane.host.pace.reorder <= 0 or not lane.members:
        return False
    lane.arrival = arrival = asyncio.Event()
    try:
        async with asyncio.timeout(lane.host.pace.reorder):
            while lane.position + 1 not in (lane.pending or ()):
                await arrival.wait()
                arrival.clear()
    except TimeoutError:
        return False
    finally:
        lane.arrival = None
    return True


async def _read_gap(lane: "Lane", failures: int) -> bool:
    """Deliver from the store what hints did not bring; False when it has nothing new (yet)."""
    after = lane.position
    lane.prune()
    upto = min(lane.wanted, after + _PAGE)
    if lane.pending:
        upto = min(upto, min(lane.pending) - 1)
    read: dict[str, list[EventFrame]] = {}
    while viewers := _unread(lane, read, upto):
        read.update(await _read_for(lane, viewers[:_AT_ONCE], after, upto))
    readers = [user_id for user_id in read if user_id in lane.members]
    if not readers:
        lane.position = upto  # nobody here may see it
        return True
    known = min(len(read[user_id]) for user_id in readers)
    if known == 0 and failures + 1 >= _TRIES:
        # No silent gap (G5): whoever cannot be served resumes from scratch.
        for user_id in readers:
            if not read[user_id]:
                lane.host.evict(lane.members[user_id], CloseCode.INTERNAL_ERROR)
    for at in range(known):
        head = event_head(read[readers[0]][at].frame)
        if head.kind in ADDING and (
            await _let_in(lane, head.kind, head.seq, head.subjects) or _unread(lane, read, head.seq)
        ):
            return True  # newcomers need their own reading, from this event on
        lane.deliver_read(
            head, {user_id: frames[at].frame for user_id, frames in read.items() if at < len(frames)}
        )
    return known > 0


def _unread(lane: "Lane", read: dict[str, list[EventFrame]], upto: int) -> list[LocalUser]:
    """Members who may see something up to `upto` and whose view was not read."""
    conversation_id = lane.conversation_id
    return [
        user
        for user in lane.members.values()
        if user.user_id not in read and user.floor(conversation_id) < upto
    ]


async def _read_for(
    lane: "Lane", viewers: list[LocalUser], after: int, upto: int
) -> dict[str, list[EventFrame]]:
    async def one(user: LocalUser) -> list[EventFrame]:
        frames = await lane.host.source.frames(
            user.user_id, lane.conversation_id, after_seq=after, upto_seq=upto, limit=upto - after
        )
        return _without_hole(frames, after)

    pages = await asyncio.gather(*map(one, viewers))
    return {user.user_id: page for user, page in zip(viewers, pages, strict=True)}


def _without_hole(frames: list[EventFrame], after: int) -> list[EventFrame]:
    for at, frame in enumerate(frames):
        if frame.seq != after + 1 + at:
            return frames[:at]
    return frames


def _wait(lane: "Lane", failures: int) -> float:
    pace = lane.host.pace
    return min(pace.retry_most, pace.retry_first * float(1 << min(failures - 1, 10)))
