"""One server process: started on its own ports and data, watched, stopped in every way a machine knows."""

import contextlib
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from stack.guard import Guard
from stack.processes import descendants

__all__ = ["MissingProgram", "NotReady", "ServerProcess"]

_GUARD = Guard()
_PATIENCE = 30.0
_POLL = 0.01
_LAST_WORDS = 3_000


class MissingProgram(Exception):
    """A program is not on this machine. The message names it and how to get it."""


class NotReady(Exception):
    """A server ended, or did not answer in time. The message holds the end of its log."""


class ServerProcess(ABC):
    """A server that is stopped by its pid alone and comes back on the same ports and data.

    Subclasses say how it is started (`command`) and when it serves (`answers`). `log` holds what it wrote.
    Nothing here is asynchronous; in tests of the event loop, `asyncio.to_thread` keeps the loop free.
    """

    #: What reports call it, and what its log is named after.
    name: str

    def __init__(self, directory: Path, name: str | None = None) -> None:
        """`directory` is created; configuration, data and log go there."""
        directory.mkdir(parents=True, exist_ok=True)
        self.name = name or self.name
        self.directory = directory
        self.log = directory / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Program and arguments."""

    @abstractmethod
    def answers(self) -> bool:
        """Ask it once, briefly, whether it serves."""

    def environment(self) -> Mapping[str, str] | None:
        """Its environment; None is that of this process."""
        return None

    def user(self) -> str | None:
        """The user that it runs as; None is the user of this process."""
        return None

    def prepare(self) -> None:  # noqa: B027  # most have nothing to make
        """Make what it needs; runs before every start."""

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there, stopped by a signal or not."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start the process and return at once."""
        assert not self.running, f"{self.name} runs already"
        self.prepare()
        with self.log.open("ab") as log:
            user = self.user()
            self._process = subprocess.Popen(
                list(self.command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory if user is None else "/",
                env=self.environment(),
                user=user,
                group=None if user is None else "nogroup",
                extra_groups=None if user is None else [],
                # Ctrl-C at a terminal is for whoever supervises, and that one stops them in order.
                start_new_session=True,
            )
        _GUARD.watch(self._process.pid)

    def wait(self, seconds: float = _PATIENCE) -> None:
        """Return once it serves.

        Raises:
            NotReady: it ended, or the time is over.
        """
        end = time.monotonic() + seconds
        pause = _POLL
        while not self.answers():
            if not self.running:
                raise NotReady(f"{self.name} ended:\n{self.last_words()}")
            if time.monotonic() > end:
                raise NotReady(f"{self.name} does not answer after {seconds:.0f} s:\n{self.last_words()}")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.2)

    def start(self, seconds: float = _PATIENCE) -> None:
        """`launch` and `wait`."""
        self.launch()
        self.wait(seconds)

    def stop(self, seconds: float = 10.0) -> int | None:
        """SIGTERM, and SIGKILL for what is left after that time.

        Returns:
            The exit code; None when it did not run.
        """
        process = self._process
        if process is None or process.poll() is not None:
            return None
        family = descendants(process.pid)
        process.send_signal(signal.SIGCONT)
        process.send_signal(self.stop_signal())
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._end(family)
        _GUARD.forget(process.pid)
        return process.wait()

    def stop_signal(self) -> signal.Signals:
        """The signal that asks it to end."""
        return signal.SIGTERM

    def kill(self) -> None:
        """SIGKILL to the process and all that it started, as a power cut for it."""
        process = self._process
        if process is not None and process.poll() is None:
            self._end(descendants(process.pid))

    def pause(self) -> None:
        """SIGSTOP to the process and all that it started: it is there and does nothing."""
        for pid in (self.pid, *descendants(self.pid)):
            _signal(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT to the same."""
        for pid in (self.pid, *descendants(self.pid)):
            _signal(pid, signal.SIGCONT)

    def restart(self, seconds: float = _PATIENCE) -> None:
        """`stop` when it runs, then `start`, on the same ports and data."""
        self.stop()
        self.start(seconds)

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-_LAST_WORDS:] if self.log.exists() else ""

    def close(self) -> None:
        """Stop it and give up what is not in `directory`. Nothing starts it again."""
        self.stop()

    def __enter__(self) -> Self:
        """Start it for the length of a block."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _end(self, family: Sequence[int]) -> None:
        assert self._process is not None
        self._process.kill()
        for pid in family:
            _signal(pid, signal.SIGKILL)
        self._process.wait()
        _GUARD.forget(self._process.pid)


def _signal(pid: int, what: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, what)
