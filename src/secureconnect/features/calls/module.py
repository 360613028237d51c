"""What calls contribute."""

from collections.abc import Awaitable, Callable

from secureconnect.edge.module import Module
from secureconnect.edge.realtime.signaling.gate import SIGNALING_PATH
from secureconnect.features.calls.http import routes
from secureconnect.features.calls.rules import CallLimits
from secureconnect.features.calls.service import (
    Admissions,
    AnswerService,
    CallReadService,
    InitiateService,
    Reaper,
    RecordingService,
    SfuNews,
)
from secureconnect.features.calls.socket import chat_commands
from secureconnect.features.calls.tasks import tasks

__all__ = ["module"]


def module(
    *,
    initiating: InitiateService,
    answering: AnswerService,
    reading: CallReadService,
    recordings: RecordingService,
    admissions: Admissions,
    news: SfuNews,
    reaper: Reaper,
    limits: CallLimits,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
) -> Module:
    """Calls over HTTP, their commands on the chat socket, and what time does to them."""
    return Module(
        name="calls",
        role="video",
        sockets=[SIGNALING_PATH],
        routes=routes(initiating, answering, reading, recordings, admissions, news),
        commands=chat_commands(answering),
        jobs=["call_events"],
        tasks=tasks(reaper, every=limits.reaper_interval),
        start=start,
        stop=stop,
    )
