"""After the bus failed: events that no hint announced, and memberships that came or went unheard."""

import asyncio
from typing import TYPE_CHECKING

from secureconnect.edge.realtime.base import EventFrame, Standing
from secureconnect.edge.realtime.fanout.catch_up import ADDING
from secureconnect.edge.realtime.fanout.local_user import LocalUser
from secureconnect.edge.realtime.frames import event_head

if TYPE_CHECKING:
    from secureconnect.edge.realtime.fanout.interest import Interest

__all__ = ["repair", "repair_user"]

_AT_ONCE = 8  # users looked at side by side
_LOOK_BACK = 100  # events among which a new membership's own event is looked for
_SETTLE = 5.0  # seconds for a lane to catch up
_END = 2**53 - 1
_ROUNDS = 3  # memberships that keep changing are announced by hints again


async def repair(interest: "Interest") -> None:
    """Read every local user's standings again and deliver what they show. Raises ApiError."""
    waiting = iter(list(interest.users.values()))

    async def worker() -> None:
        for user in waiting:
            for _ in range(_ROUNDS):
                if await repair_user(interest, user):
                    break

    results = await asyncio.gather(*(worker() for _ in range(_AT_ONCE)), return_exceptions=True)
    for result in results:
        if result is not None:
            raise result


async def repair_user(interest: "Interest", user: LocalUser) -> bool:
    """Read one local user's standings again. False when memberships moved meanwhile. Raises ApiError."""
    if user.loading is not None or user.dropped:
        return True
    changes = user.changes
    standings = await interest.memberships.standings(user.user_id)
    for conversation_id, standing in standings.items():
        lane = interest.lanes.get(conversation_id)
        if lane is not None:
            lane.want(standing.last_seq)
    for lane in list(user.lanes.values()):
        await lane.settled(_SETTLE)
    if user.changes != changes:
        return False
    for conversation_id, standing in standings.items():
        if conversation_id not in user.lanes:
            await _came(interest, user, conversation_id, standing)
    for conversation_id in set(user.lanes) - standings.keys():
        await _went(interest, user, conversation_id)
    return True


async def _came(interest: "Interest", user: LocalUser, conversation_id: str, standing: Standing) -> None:
    """Let `user` in as its own event would have done: from that event on."""
    lane = interest.hold(conversation_id)
    try:
        await interest.subscribe(lane)
        frames = await _since_entry(interest, user, conversation_id, standing)
        added = await interest.memberships.added_frame(user.user_id, conversation_id)
        # Until nothing can come between what was read and the lane.
        while lane.position > (known := frames[-1].seq if frames else standing.last_seq):
            more = await interest.source.frames(
                user.user_id, conversation_id, after_seq=known, upto_seq=lane.position, limit=_LOOK_BACK
            )
            if not more:
                return
            frames += more
        if added is None or user.dropped or conversation_id in user.lanes:
            return
        if lane.position < 0:
            lane.begin(known)
        for session in user.sessions:
            session.control(conversation_id, added)
            for seq, frame in frames:
                if seq <= lane.position:
                    session.event(conversation_id, seq, frame)
        lane.join(user)
        start = frames[0].seq - 1 if frames else known
        if start > lane.position:
            user.raise_floor(conversation_id, start)
        lane.want(known)
    finally:
        interest.unhold(lane)


async def _since_entry(
    interest: "Interest", user: LocalUser, conversation_id: str, standing: Standing
) -> list[EventFrame]:
    """The events from the one that made `user` a member; none when it lies too far back."""
    after = max(standing.first_visible_seq - 1, standing.last_seq - _LOOK_BACK, 0)
    frames = await interest.source.frames(
        user.user_id, conversation_id, after_seq=after, upto_seq=standing.last_seq, limit=_LOOK_BACK
    )
    for at in reversed(range(len(frames))):
        head = event_head(frames[at].frame)
        if head.kind in ADDING and user.user_id in head.subjects:
            return frames[at:]
    return []


async def _went(interest: "Interest", user: LocalUser, conversation_id: str) -> None:
    lane = user.lanes.get(conversation_id)
    if lane is None:
        return
    frames = await interest.source.frames(
        user.user_id, conversation_id, after_seq=max(lane.position, 0), upto_seq=_END, limit=_LOOK_BACK
    )
    last = _own_removal(user, [frame.frame for frame in frames])
    if last is not None:
        lane.want(last)
        await lane.settled(_SETTLE)
    if lane.members.get(user.user_id) is user:
        lane.dismiss(user, "removed")
        interest.idle(lane)


def _own_removal(user: LocalUser, frames: list[bytes]) -> int | None:
    for frame in frames:
        head = event_head(frame)
        if head.kind == "member_removed" and user.user_id in head.subjects:
            return head.seq
    return None
