"""What notifications contribute."""

from secureconnect.edge.module import Module
from secureconnect.features.notifications.http import routes
from secureconnect.features.notifications.service import Follower, Inbox
from secureconnect.features.notifications.tasks import tasks

__all__ = ["module"]


def module(inbox: Inbox, follower: Follower) -> Module:
    """The inbox; `follower` hears the commits of the timeline already."""
    return Module(
        name="notifications",
        role="auth",
        routes=routes(inbox),
        tasks=tasks(inbox),
        start=follower.start,
        stop=follower.stop,
        bereaved=follower.missed,
    )
