"""A planned stop, seen from the sockets (docs/reference/realtime.md §5 `going_away`, §9 close 4501)."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from secureconnect.edge.realtime.background import Background
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.fanout.hub import Hub
from secureconnect.edge.realtime.frames import going_away_frame
from secureconnect.edge.realtime.places import Places
from secureconnect.edge.realtime.session.chat import Session
from secureconnect.edge.realtime.signaling.rooms import Rooms
from secureconnect.edge.realtime.signaling.session import SignalSession

__all__ = ["drain"]

_NOTICE = 1.0  # seconds between going_away and the first close
_MOST_WAIT_MS = 10_000
_STEP = 0.05


async def drain(
    hub: Hub,
    rooms: Rooms,
    places: Places,
    background: Background,
    *,
    seconds: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Say goodbye to all sockets: no new ones, `going_away`, after 1 s close 4501.

    The closes are spread over at most `seconds`, so that clients do not all return at once, each told another
    `retry_after_ms` of 0 to 10,000. Returns when all sockets are gone and no command runs, or when another
    `seconds` have passed.
    """
    hub.draining = rooms.draining = True
    leaving: list[Session | SignalSession] = [*hub.sessions(), *rooms.sessions()]
    for session in leaving:
        session.push(going_away_frame(_jitter()))
    if leaving:
        await sleep(_NOTICE)
    leaving = [*hub.sessions(), *rooms.sessions()]
    random.shuffle(leaving)
    batch = max(1, round(len(leaving) * _STEP / seconds) if seconds > 0 else len(leaving))
    for start in range(0, len(leaving), batch):
        for session in leaving[start : start + batch]:
            session.close(CloseCode.SHUTTING_DOWN, retry_after_ms=_jitter())
        if start + batch < len(leaving):
            await sleep(_STEP)
    waited = 0.0
    while (len(places) or len(background)) and waited < seconds:
        await sleep(_STEP)
        waited += _STEP


def _jitter() -> int:
    return random.randint(0, _MOST_WAIT_MS)  # noqa: S311 - jitter, not a secret
