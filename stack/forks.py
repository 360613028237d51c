"""Processes of SecureConnect, forked from one that has imported it (see `stack.forkserver`)."""

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["ForkServer", "Forked"]


class Forked:
    """A process, as `subprocess.Popen` has it. `returncode` is None while it runs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = threading.Event()

    def end(self, code: int) -> None:
        """It ended."""
        self.returncode = code
        self._ended.set()

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; the exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(["secureconnect"], timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """Started when it is first asked, gone with this process; what it forked goes with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._running: dict[int, Forked] = {}
        self._made: list[Forked] = []
        self._answered = threading.Condition()

    def fork(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        log: Path,
        errors: Path | None = None,
    ) -> Forked:
        """Run `secureconnect ARGUMENTS` in this directory; what it writes is appended to `log`, its standard
        error to `errors`, if given.
        """
        wanted = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "directory": str(directory),
            "log": str(log),
            "errors": str(errors or log),
        }
        with self._lock:
            asking = self._connected()
            asking.sendall(json.dumps(wanted).encode() + b"\n")
            with self._answered:
                self._answered.wait_for(lambda: self._made)
                return self._made.pop()

    def close(self) -> None:
        """End it and what it forked."""
        if self._socket is not None and self._process is not None:
            self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._process.wait()
            self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            ours, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "stack.forkserver", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    cwd=Path(__file__).parent.parent,
                    stdin=subprocess.DEVNULL,
                )
            self._socket = ours
            atexit.register(self.close)
            threading.Thread(target=self._listen, args=[ours], daemon=True, name="fork server").start()
        return self._socket

    def _listen(self, told: socket.socket) -> None:
        for line in told.makefile("rb"):
            answer = json.loads(line)
            with self._answered:
                if "pid" in answer:
                    forked = Forked(answer["pid"])
                    self._running[forked.pid] = forked
                    self._made.append(forked)
                    self._answered.notify()
                else:
                    self._running.pop(answer["ended"]).end(answer["code"])
