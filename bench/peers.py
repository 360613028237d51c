"""Peers of a benchmarked server: bare TCP connections or sockets that only read.

`python -m bench.peers raw|ws PORT COUNT` opens one commanding connection and COUNT others, prints `ready` and
then obeys lines on its standard input: `rounds ROUNDS EVENTS BYTES` lets the server send EVENTS per round to
everybody, waits for BYTES on each connection and answers `done` at the end.
"""

import base64
import os
import select
import socket
import sys

from bench.measure import raise_file_limit

__all__ = ["Peers", "connect_raw", "connect_socket", "masked_text", "upgrade_request"]


def connect_raw(port: int) -> socket.socket:
    """A TCP connection over the loopback."""
    return socket.create_connection(("127.0.0.1", port))


def upgrade_request(target: str, *headers: str) -> bytes:
    """The request that asks to become a socket."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {target} HTTP/1.1", "Host: bench", "Connection: Upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def connect_socket(port: int, target: str, *headers: str) -> socket.socket:
    """A connection past its upgrade; frames that came right behind the answer are lost."""
    peer = connect_raw(port)
    peer.sendall(upgrade_request(target, *headers))
    answer = b""
    while b"\r\n\r\n" not in answer:
        chunk = peer.recv(4_096)
        if not chunk:
            raise ConnectionError(f"refused: {answer!r}")
        answer += chunk
    if not answer.startswith(b"HTTP/1.1 101 "):
        raise ConnectionError(f"refused: {answer!r}")
    return peer


def masked_text(payload: bytes) -> bytes:
    """A text frame of at most 125 bytes as clients send it; the mask is zero, which changes nothing."""
    return bytes((0x81, 0x80 | len(payload))) + bytes(4) + payload


class Peers:
    """Connections that are read until each has got what it waits for."""

    def __init__(self, connections: list[socket.socket]) -> None:
        self.connections = connections
        self._epoll = select.epoll()
        self._by_number = {peer.fileno(): peer for peer in connections}
        for peer in connections:
            peer.setblocking(False)
            self._epoll.register(peer.fileno(), select.EPOLLIN)

    def drain(self, size: int) -> None:
        """Read `size` bytes from each connection; all of them together are counted."""
        missing = size * len(self.connections)
        peers, poll = self._by_number, self._epoll.poll
        while missing > 0:
            for number, _ in poll():
                chunk = peers[number].recv(262_144)
                if not chunk:
                    raise ConnectionError("the server closed a connection")
                missing -= len(chunk)


def main() -> None:
    kind, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    raise_file_limit()
    if kind == "raw":
        control = connect_raw(port)
        peers = Peers([connect_raw(port) for _ in range(count)])
    else:
        control = connect_socket(port, "/control")
        peers = Peers([connect_socket(port, "/subscribe") for _ in range(count)])
    print("ready", flush=True)
    for line in sys.stdin:
        _, rounds, events, size = line.split()
        go = bytes([int(events)]) if kind == "raw" else masked_text(events.encode())
        for _ in range(int(rounds)):
            control.sendall(go)
            peers.drain(int(size))
        print("done", flush=True)


if __name__ == "__main__":
    main()
