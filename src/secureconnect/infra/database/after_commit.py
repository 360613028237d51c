"""What units of work ask to be called with once they are committed."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from secureconnect.infra.telemetry.log import get_logger

__all__ = ["Call", "run_calls"]

log = get_logger()

#: (None, callback) of `WriteTx.after_commit`, or (sink, item) of `WriteTx.deliver`.
Call = tuple[Callable[[Sequence[Any]], None] | None, Any]


def run_calls(calls: Iterable[Call]) -> None:
    """Make the calls of a committed batch in order, joining neighbours that go to the same sink."""
    waiting: Callable[[Sequence[Any]], None] | None = None
    items: list[Any] = []
    for sink, thing in calls:
        if waiting is not None and sink != waiting:
            _guarded(waiting, items)
            items = []
        waiting = sink
        if sink is None:
            _guarded(thing)
        else:
            items.append(thing)
    if waiting is not None:
        _guarded(waiting, items)


def _guarded(call: Callable[..., None], *args: Any) -> None:
    try:
        call(*args)
    except Exception:
        # The data is committed; one listener's defect must not stop the others.
        log.exception("after-commit callback failed")
