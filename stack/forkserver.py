"""`python -m stack.forkserver FD`: has imported SecureConnect, and forks processes of it on demand.

A process of SecureConnect spends most of its start importing itself. Tests start hundreds. Each of those is a
process of its own, with its own pid, environment, log and end; only the importing is shared.

Protocol, over the socket whose descriptor is the argument: a request is one line of JSON with `arguments`,
`environment`, `directory`, `log` and `errors`; its answer `{"pid": …}`; when a process ends, a line
`{"ended": pid, "code": …}`, negative for a signal. The end of the socket kills what was forked.

With `STACK_CLOCK` in its environment a process has a wall clock that tests can step: the file of that name
holds how many nanoseconds it is ahead, eight bytes in the order of this machine.
"""

import contextlib
import gc
import json
import mmap
import os
import selectors
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(descriptor: int) -> None:
    """Serve until the socket ends. Returns in forked processes only by SystemExit."""
    asking = socket.socket(fileno=descriptor)
    _import_product()
    gc.collect()
    gc.freeze()  # so that the pages stay shared
    waking, woken = socket.socketpair()
    for end in (waking, woken):
        end.setblocking(False)
    signal.set_wakeup_fd(woken.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # What is meant for a whole group is for whoever supervises; this ends with its socket, and takes what it
    # forked along.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    selector = selectors.DefaultSelector()
    selector.register(asking, selectors.EVENT_READ)
    selector.register(waking, selectors.EVENT_READ)
    children: set[int] = set()
    pending = b""
    while True:
        for key, _ in selector.select():
            if key.fileobj is waking:
                with contextlib.suppress(BlockingIOError):
                    waking.recv(4096)
                _report(asking, children)
                continue
            data = _received(asking)
            if not data:
                for child in children:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                wanted = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    for end in (asking, waking, woken):
                        end.close()
                    selector.close()
                    _become(wanted)
                children.add(pid)
                with contextlib.suppress(ConnectionError):
                    asking.sendall(json.dumps({"pid": pid}).encode() + b"\n")


def _received(asking: socket.socket) -> bytes:
    """What is asked for; nothing once whoever asks is gone, however that went."""
    try:
        return asking.recv(1 << 20)
    except ConnectionError:
        return b""


def _report(asking: socket.socket, children: set[int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        children.discard(pid)
        told = {"ended": pid, "code": os.waitstatus_to_exitcode(status)}
        with contextlib.suppress(ConnectionError):
            asking.sendall(json.dumps(told).encode() + b"\n")


def _become(wanted: dict[str, Any]) -> None:
    """Be a process of SecureConnect as the shell would have started it."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    os.chdir(wanted["directory"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    log, errors = (
        os.open(wanted[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) for name in ("log", "errors")
    )
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (errors, 2)):
        os.dup2(source, target)
        os.close(source)
    if clock := wanted["environment"].get("STACK_CLOCK"):
        _keep_time_by(clock)
    sys.argv = ["secureconnect", *wanted["arguments"]]
    from secureconnect.app.cli import main as secureconnect

    sys.exit(secureconnect(wanted["arguments"]))


def _keep_time_by(path: str) -> None:
    """Let the wall clock be ahead by what the file says at that moment."""
    with Path(path).open("rb") as file:
        ahead = memoryview(mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)).cast("q")
    time_ns = time.time_ns
    time.time_ns = lambda: time_ns() + ahead[0]
    time.time = lambda: (time_ns() + ahead[0]) / 1e9


def _import_product() -> None:
    import secureconnect.app.commands.createadmin
    import secureconnect.app.server  # noqa: F401


if __name__ == "__main__":
    main(int(sys.argv[1]))
