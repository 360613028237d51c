"""`python -m stack.guard`: kills what it was told of once whoever started it is gone, however that went.

Its input says `+PID` when a server was started and `-PID` when one has ended.
"""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from stack.processes import descendants

__all__ = ["Guard"]


class Guard:
    """The guard of this process. It is started when there is something to guard."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        # Made before there are servers, so it comes after whoever stops those in order.
        atexit.register(self.close)

    def watch(self, pid: int) -> None:
        """`pid` may not outlive this process."""
        self._tell(f"+{pid}\n")

    def forget(self, pid: int) -> None:
        """`pid` has ended."""
        self._tell(f"-{pid}\n")

    def close(self) -> None:
        """Nothing is watched any more; what still is, is killed."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait()

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "stack.guard"],
                    stdin=subprocess.PIPE,
                    cwd=Path(__file__).parent.parent,
                    # What stops us by the terminal or the group is not for the guard.
                    start_new_session=True,
                )
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()


def main() -> None:
    """Listen until the input ends."""
    guarded: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        if line[0] == "+":
            guarded.add(pid)
        else:
            guarded.discard(pid)
    for pid in [one for root in guarded for one in (root, *descendants(root))]:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
