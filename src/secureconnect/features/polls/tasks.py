"""What time does to polls."""

from secureconnect.edge.module import Task
from secureconnect.features.polls.service import CloseService

__all__ = ["tasks"]

#: Seconds between two looks; a poll is closed at most 5 s late (docs/reference/rules.md §10).
_LOOK_EVERY = 2.0


def tasks(closing: CloseService) -> list[Task]:
    """Closing what expired, and forgetting who voted in anonymous polls."""
    return [
        Task("poll_expiry", _LOOK_EVERY, closing.close_expired),
        Task("anonymous_votes", 3600, closing.forget_anonymous_votes),
    ]
