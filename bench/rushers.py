"""HTTP clients that keep asking, whatever the answers take: load from outside does not slow down by itself.

`python -m bench.rushers` obeys JSON lines on its standard input and answers each with one:

    {"port": 1, "requests": ["<hex>", …], "rate": 0, "seconds": 5, "connections": 64}

With `rate` requests per second they are sent at their times over as many of the connections as are free, and
one for which none is free is counted as given up; with rate 0 each connection sends again as soon as it is
answered. Times are from when a request was due to its answer.
"""

import heapq
import itertools
import json
import select
import socket
import sys
import time
from typing import Any

from bench.measure import raise_file_limit
from bench.peers import connect_raw

__all__: list[str] = []

_LENGTH = b"content-length: "
_GRACE = 10.0


class _Rush:
    """One run over connections of its own."""

    def __init__(self, port: int, requests: list[bytes], connections: int) -> None:
        self._requests = itertools.cycle(requests)
        self._port = port
        self._peers: dict[int, socket.socket] = {}
        self._epoll = select.epoll()
        self._free: list[int] = []
        for _ in range(connections):
            self._connect()
        self._due: dict[int, float] = {}
        self._partial: dict[int, bytes] = {}
        self.good: list[float] = []
        self.shed: list[float] = []
        self.others: dict[str, int] = {}
        self.given_up = 0

    def open_loop(self, rate: float, seconds: float) -> float:
        """Send at a pace; returns how long it took until everything was answered, at most some seconds."""
        started = time.perf_counter()
        times = [started + number / rate for number in range(int(rate * seconds))]
        heapq.heapify(times)
        while times:
            now = time.perf_counter()
            while times and times[0] <= now:
                due = heapq.heappop(times)
                if self._free:
                    self._send(self._free.pop(), due)
                else:
                    self.given_up += 1
            self._receive(max(0.0, times[0] - time.perf_counter()) if times else 0.0)
        ends = time.perf_counter() + _GRACE
        while self._due and time.perf_counter() < ends:
            self._receive(0.1)
        return time.perf_counter() - started

    def closed_loop(self, seconds: float) -> float:
        """Every connection sends as soon as it may; returns the seconds."""
        started = time.perf_counter()
        while (now := time.perf_counter()) < started + seconds:
            while self._free:
                self._send(self._free.pop(), now)
            self._receive(0.1)
        taken = time.perf_counter() - started
        while self._due:
            self._receive(0.1)
        return taken

    def close(self) -> None:
        for peer in self._peers.values():
            peer.close()

    def _connect(self) -> None:
        peer = connect_raw(self._port)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peers[peer.fileno()] = peer
        self._epoll.register(peer.fileno(), select.EPOLLIN)
        self._free.append(peer.fileno())

    def _send(self, number: int, due: float) -> None:
        self._due[number] = due
        self._peers[number].sendall(next(self._requests))

    def _receive(self, timeout: float) -> None:
        for number, _ in self._epoll.poll(timeout):
            data = self._peers[number].recv(262_144)
            if not data:
                self._closed(number)
                continue
            answer = self._partial.pop(number, b"") + data
            status = _status(answer)
            if status is None:
                self._partial[number] = answer
                continue
            took = time.perf_counter() - self._due.pop(number)
            self._free.append(number)
            if status.startswith("2"):
                self.good.append(took)
            elif status == "503" and b"SERVICE_UNAVAILABLE" in answer and b"retry-after: " in answer:
                self.shed.append(took)
            else:
                self.others[status] = self.others.get(status, 0) + 1

    def _closed(self, number: int) -> None:
        """Nobody used it for seconds: then a server may close it, and a client connects anew."""
        if number in self._due:
            raise RuntimeError("the server closed a connection instead of answering")
        self._free.remove(number)
        self._epoll.unregister(number)
        self._peers.pop(number).close()
        self._connect()


def _status(answer: bytes) -> str | None:
    """The status of a whole answer."""
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return None
    start = answer.find(_LENGTH) + len(_LENGTH)
    if len(answer) < head + 4 + int(answer[start : answer.find(b"\r", start)]):
        return None
    return answer[9:12].decode()


def _run(order: dict[str, Any]) -> dict[str, Any]:
    rush = _Rush(order["port"], [bytes.fromhex(text) for text in order["requests"]], order["connections"])
    try:
        rate = order["rate"]
        taken = rush.open_loop(rate, order["seconds"]) if rate else rush.closed_loop(order["seconds"])
    finally:
        rush.close()
    return {
        "seconds": order["seconds"] if rate else taken,
        "good": len(rush.good),
        "shed": len(rush.shed),
        "given_up": rush.given_up,
        "others": rush.others,
        "good_ms": _percentiles(rush.good),
        "shed_ms": _percentiles(rush.shed),
    }


def _percentiles(seconds: list[float]) -> list[float]:
    ordered = sorted(seconds) or [0.0]
    return [ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 for share in (0.5, 0.95, 0.99)]


def main() -> None:
    raise_file_limit()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
