"""What benchmarks share: processes on one core, their CPU time and memory, medians and tables."""

import os
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

__all__ = ["Process", "cpu_seconds", "median", "memory_bytes", "raise_file_limit", "table", "versions"]


def cpu_seconds(pid: int) -> float:
    """CPU time that all live threads of `pid` used, user and system, with the scheduler's nanoseconds."""
    total = 0
    for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        total += int(schedstat.read_text().split()[0])
    return total / 1e9


def memory_bytes(pid: int) -> int:
    """Resident memory of `pid`."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def raise_file_limit() -> int:
    """Allow as many open files as the system lets us; the new limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def versions(*packages: str) -> str:
    """One line that says what was measured on what."""
    named = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
    return f"Python {platform.python_version()}, {named}, Linux {platform.release()}, {os.cpu_count()} cores"


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Aligned text; floats with three digits."""
    text = [[f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [list(head), *text]) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *rest = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join([first, *rest])

    return "\n".join([title, line(head), line(["-" * width for width in widths]), *map(line, text)])


class Process:
    """A child that talks by lines: it prints what it has to say and reads what it is told."""

    def __init__(self, command: Sequence[str], *, core: int | None = None) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        if core is not None:
            os.sched_setaffinity(self.pid, {core})

    @classmethod
    @contextmanager
    def running(cls, command: Sequence[str], *, core: int | None = None) -> Iterator["Process"]:
        """The child for the length of the block."""
        process = cls(command, core=core)
        try:
            yield process
        finally:
            process.stop()

    @classmethod
    def python(cls, module: str, *arguments: object) -> list[str]:
        """The command that runs `python -m module arguments`."""
        return [sys.executable, "-m", module, *map(str, arguments)]

    def tell(self, line: str) -> None:
        """Say one line to the child."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        """The child's next line.

        Raises:
            RuntimeError: it ended instead.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        return line.strip()

    def ask(self, line: str) -> str:
        """Tell and hear."""
        self.tell(line)
        return self.hear()

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
