"""Several listeners to the commits of one timeline."""

from collections.abc import Sequence

from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.timeline.base import CommitListener, StoredEvent

__all__ = ["tell_each"]

log = get_logger()


def tell_each(*listeners: CommitListener) -> CommitListener:
    """A listener that tells `listeners` in this order, each whatever happens to the others."""

    def tell(events: Sequence[StoredEvent]) -> None:
        for listener in listeners:
            try:
                listener(events)
            except Exception:
                log.exception("commit listener failed")

    return tell
