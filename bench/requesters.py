"""HTTP clients that cost little: each sends a prepared request, reads its answer and sends it again.

`python -m bench.requesters` obeys lines on its standard input: `PORT CONNECTIONS REQUESTS HEX` makes REQUESTS
requests (the bytes HEX) over CONNECTIONS kept connections to PORT and answers with the seconds that took.
"""

import select
import socket
import sys
import time

from bench.peers import connect_raw

__all__ = ["request_bytes"]

_LENGTH = b"content-length: "


def request_bytes(method: str, path: str, *, token: str | None = None, body: bytes = b"") -> bytes:
    """A request over HTTP/1.1 as a client would send it."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", "User-Agent: bench", "Accept: application/json"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _complete(answer: bytes) -> bool:
    """Whether `answer` is whole.

    Raises:
        RuntimeError: it is not a success.
    """
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    if not answer.startswith(b"HTTP/1.1 2"):
        raise RuntimeError(answer.decode(errors="replace"))
    start = answer[:head].lower().find(_LENGTH) + len(_LENGTH)
    return len(answer) >= head + 4 + int(answer[start : answer.find(b"\r", start)])


class Requesters:
    """Kept connections to one port."""

    def __init__(self, port: int, count: int) -> None:
        self._connections = {peer.fileno(): peer for peer in (connect_raw(port) for _ in range(count))}
        self._epoll = select.epoll()
        for number, peer in self._connections.items():
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._epoll.register(number, select.EPOLLIN)

    def run(self, request: bytes, requests: int) -> float:
        """Seconds until `requests` were answered, as many at once as there are connections."""
        started = time.perf_counter()
        partial: dict[int, bytes] = {}
        unsent = requests
        for peer in list(self._connections.values())[:requests]:
            peer.sendall(request)
            unsent -= 1
        missing = requests
        while missing:
            for number, _ in self._epoll.poll():
                peer = self._connections[number]
                answer = partial.pop(number, b"") + peer.recv(262_144)
                if not _complete(answer):
                    if not answer:
                        raise ConnectionError("the server closed a connection")
                    partial[number] = answer
                    continue
                missing -= 1
                if unsent > 0:
                    unsent -= 1
                    peer.sendall(request)
        return time.perf_counter() - started


def main() -> None:
    known: dict[tuple[int, int], Requesters] = {}
    print("ready", flush=True)
    for line in sys.stdin:
        port, connections, requests, request = line.split()
        place = int(port), int(connections)
        if place not in known:
            known[place] = Requesters(*place)
        print(known[place].run(bytes.fromhex(request), int(requests)), flush=True)


if __name__ == "__main__":
    main()
