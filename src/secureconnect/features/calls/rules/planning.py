"""Before there is a call: how its media would go, and whether it may be (docs/reference/rules.md §8)."""

from collections.abc import Collection, Iterable
from typing import Final, Literal

from secureconnect.features.calls.api import Topology
from secureconnect.features.calls.rules.talk import CallRecord, Participant, Talk
from secureconnect.kit.errors import ApiError, ErrorCode, invalid

__all__ = [
    "MESH_CAPACITY",
    "begin",
    "plan",
    "rung",
    "start_refused",
]

#: People who can talk without a server between them.
MESH_CAPACITY: Final = 4


def plan(
    asked: Literal["auto", "mesh", "sfu"],
    people: int,
    *,
    standard: Literal["auto", "mesh", "sfu"],
    sfu_capacity: int | None,
) -> tuple[Topology, int]:
    """The topology of a new call with so many people, and how many it takes; `sfu_capacity` None: no SFU.

    Raises:
        ApiError: `CALL_CAPACITY_REACHED`; `FEATURE_DISABLED` for an SFU where there is none.
    """
    wanted = standard if asked == "auto" else asked
    if asked == "sfu" and sfu_capacity is None:
        raise ApiError(ErrorCode.FEATURE_DISABLED, "This server has no SFU.")
    if wanted == "sfu" and sfu_capacity is None:
        wanted = "mesh"
    if wanted == "sfu" or (wanted == "auto" and people > MESH_CAPACITY and sfu_capacity is not None):
        assert sfu_capacity is not None
        if people > sfu_capacity:
            raise _too_many(sfu_capacity)
        return "sfu", sfu_capacity
    if people > MESH_CAPACITY:
        raise _too_many(MESH_CAPACITY)
    return "mesh", MESH_CAPACITY


def _too_many(capacity: int) -> ApiError:
    return ApiError(
        ErrorCode.CALL_CAPACITY_REACHED, f"call capacity limit reached (max {capacity} participants)"
    )


def start_refused(
    callees: Collection[str],
    *,
    members: Collection[str],
    known: Collection[str],
    blocked: Collection[str],
    strangers: Collection[str],
    field: str,
) -> ApiError | None:
    """Why these people cannot be called, or None.

    `known` exist, `blocked` have a block with the caller, `strangers` want calls of friends only and the
    caller is none. The last two get the same answer, which says nothing about either.
    """
    if not set(callees) <= set(known):
        return ApiError(ErrorCode.NOT_FOUND, "There is no such user.")
    if not set(callees) <= set(members):
        return invalid(field, "everybody called is a member of the conversation")
    if set(callees) & (set(blocked) | set(strangers)):
        return ApiError(ErrorCode.FORBIDDEN, "This call is not allowed.")
    return None


def begin(call: CallRecord, callees: Iterable[str], session_id: str) -> Talk:
    """A new call that rings for `callees`, with its caller in it."""
    now = call.created_at
    people = {
        call.caller_id: Participant(
            user_id=call.caller_id,
            state="joined",
            invited_at=now,
            ring_expires_at=now,
            session_id=session_id,
            joined_at=now,
        )
    }
    for user_id in callees:
        people[user_id] = rung(user_id, now, call.ring_expires_at)
    return Talk(call, people)


def rung(user_id: str, now: int, until: int) -> Participant:
    """Somebody for whom a call begins to ring, until `until`."""
    return Participant(user_id=user_id, state="invited", invited_at=now, ring_expires_at=until)
