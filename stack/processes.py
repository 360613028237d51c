"""Who started whom, read from /proc."""

import contextlib
from pathlib import Path

__all__ = ["descendants"]


def descendants(pid: int) -> list[int]:
    """The processes that `pid` started, and those that they started; children before grandchildren."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = _children(waiting.pop(0))
        found.extend(children)
        waiting.extend(children)
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found.extend(int(child) for child in (task / "children").read_text().split())
    return found
