"""The life of a call as pure functions (docs/reference/rules.md §8).

Each takes the state before and gives the state after; whoever compares the two knows what to store and whom
to tell.
"""

from secureconnect.features.calls.rules.answering import (
    decline,
    hear_ringing,
    invite,
    join,
    place_lost,
    placed,
    show,
)
from secureconnect.features.calls.rules.ending import (
    end,
    finish,
    leave,
    part,
    ring_out,
    withdraw,
)
from secureconnect.features.calls.rules.planning import (
    MESH_CAPACITY,
    begin,
    plan,
    start_refused,
)
from secureconnect.features.calls.rules.sfu import (
    sfu_back,
    sfu_joined,
    sfu_left,
    sfu_lost,
    still_there,
)
from secureconnect.features.calls.rules.talk import (
    OVER,
    OWED,
    CallLimits,
    CallRecord,
    Departure,
    Participant,
    Talk,
    may_signal,
    no_call,
    over,
)

__all__ = [
    "MESH_CAPACITY",
    "OVER",
    "OWED",
    "CallLimits",
    "CallRecord",
    "Departure",
    "Participant",
    "Talk",
    "begin",
    "decline",
    "end",
    "finish",
    "hear_ringing",
    "invite",
    "join",
    "leave",
    "may_signal",
    "no_call",
    "over",
    "part",
    "place_lost",
    "placed",
    "plan",
    "ring_out",
    "sfu_back",
    "sfu_joined",
    "sfu_left",
    "sfu_lost",
    "show",
    "start_refused",
    "still_there",
    "withdraw",
]
