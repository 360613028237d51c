"""Logged-in chat sockets that cost little.

`python -m bench.chatters PORT FILE` opens one socket per `token conversation_id [port]` line of FILE, says
`hello` on each, prints `ready` and then obeys lines on its standard input, each answered by one line of JSON:

    burst SENDERS ROUNDS    the first SENDERS send at once; a round ends when every socket has every event
    each SENDS              every socket sends, waits for its acknowledgement, and goes on
    alone SENDS             only the first does; the seconds of each send
    pace PER_SECOND SECONDS neighbours (two lines with one conversation) talk; seconds from send to delivery
"""

import itertools
import json
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import raise_file_limit
from bench.peers import connect_raw, upgrade_request

__all__ = ["TEXT_BYTES", "Chatter", "Crowd", "is_ack", "is_event"]

#: Bytes of text in a message, what the targets speak of.
TEXT_BYTES = 200

_PATIENCE = 20.0
_CONTENT = b'"content":"'

_numbers = itertools.count()


def _masked(payload: bytes) -> bytes:
    """A text frame as clients send it; the mask is zero, which changes nothing."""
    size = len(payload)
    head = bytes((0x80 | size,)) if size < 126 else bytes((0xFE,)) + size.to_bytes(2)
    return b"\x81" + head + bytes(4) + payload


class Chatter:
    """One socket past its upgrade."""

    def __init__(self, port: int, token: str, conversation_id: str) -> None:
        self.conversation_id = conversation_id
        self.socket = connect_raw(port)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self.socket.sendall(upgrade_request("/v1/ws/chat", f"Authorization: Bearer {token}"))
        while b"\r\n\r\n" not in self._buffer:
            self._read()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError(f"refused: {head + self._buffer!r}")
        self.socket.sendall(_masked(b'{"type":"hello","ref":"hello"}'))
        while not any(map(is_ack, self.frames())):
            self._read()

    def send(self) -> str:
        """Send one message; its `client_message_id`."""
        name = f"m{next(_numbers)}"
        fields = {
            "type": "message_send",
            "ref": name,
            "conversation_id": self.conversation_id,
            "content": f"{name} ".ljust(TEXT_BYTES, "x"),
            "client_message_id": name,
        }
        self.socket.sendall(_masked(json.dumps(fields).encode()))
        return name

    def receive(self) -> list[bytes]:
        """What arrived, at least a part of a frame; the payloads of the complete ones."""
        self._read()
        return self.frames()

    def frames(self) -> list[bytes]:
        """The payloads of complete frames."""
        payloads = []
        data, at = self._buffer, 0
        while len(data) - at >= 2:
            size, head = data[at + 1], 2
            if size == 126:
                size, head = int.from_bytes(data[at + 2 : at + 4]), 4
            elif size == 127:
                size, head = int.from_bytes(data[at + 2 : at + 10]), 10
            end = at + head + size
            if end > len(data):
                break
            payload = data[at + head : end]
            if data[at] == 0x88:
                raise ConnectionError(f"closed: {payload!r}")
            if payload.startswith(b'{"type":"error"'):
                raise RuntimeError(payload.decode())
            if data[at] == 0x81:
                payloads.append(payload)
            at = end
        self._buffer = data[at:]
        return payloads

    def _read(self) -> None:
        data = self.socket.recv(262_144)
        if not data:
            raise ConnectionError("the server closed a connection")
        self._buffer += data


def is_ack(payload: bytes) -> bool:
    """An acknowledged command."""
    return payload.startswith(b'{"type":"ack"')


def is_event(payload: bytes) -> bool:
    """A durable event."""
    return payload.startswith(b'{"type":"event"')


class Crowd:
    """Many sockets, read as they become readable."""

    def __init__(self, chatters: list[Chatter]) -> None:
        self.chatters = chatters
        self._by_number = {chatter.socket.fileno(): chatter for chatter in chatters}
        self._epoll = select.epoll()
        for number in self._by_number:
            self._epoll.register(number, select.EPOLLIN)

    def arrived(self, timeout: float | None = None) -> Iterator[tuple[Chatter, bytes]]:
        """Payloads of whatever is readable, waiting for the first of it."""
        ready = self._epoll.poll(_PATIENCE if timeout is None else timeout)
        if not ready and timeout is None:
            raise TimeoutError(f"nothing arrived in {_PATIENCE:.0f} s")
        for number, _ in ready:
            chatter = self._by_number[number]
            for payload in chatter.receive():
                yield chatter, payload

    def wait(self, count: int, wanted: Callable[[bytes], bool]) -> int:
        """Read until so many `wanted` frames arrived; the bytes of the last one."""
        size = 0
        while count > 0:
            for _, payload in self.arrived():
                if wanted(payload):
                    count -= 1
                    size = len(payload)
        return size

    def burst(self, senders: int, rounds: int) -> dict[str, float]:
        """All share one conversation. Returns the size of an event's payload."""
        size = 0
        for _ in range(rounds):
            for chatter in self.chatters[:senders]:
                chatter.send()
            size = self.wait(senders * len(self.chatters), is_event)
        return {"payload": size}

    def each(self, sends: int) -> dict[str, float]:
        """Every socket sends one after the other, all at once."""
        left = dict.fromkeys(self.chatters, sends - 1)
        started = time.perf_counter()
        for chatter in self.chatters:
            chatter.send()
        missing = sends * len(self.chatters)
        while missing:
            for chatter, payload in self.arrived():
                if is_ack(payload):
                    missing -= 1
                    if left[chatter] > 0:
                        left[chatter] -= 1
                        chatter.send()
        return {"seconds": time.perf_counter() - started}

    def alone(self, sends: int) -> dict[str, list[float]]:
        """The first socket sends one after the other."""
        times = []
        for _ in range(sends):
            started = time.perf_counter()
            self.chatters[0].send()
            self.wait(1, is_ack)
            times.append(time.perf_counter() - started)
        return {"seconds": times}

    def pace(self, per_second: float, seconds: float) -> dict[str, list[float]]:
        """Everybody in turn sends to whoever shares the conversation, at an even pace."""
        turns = itertools.cycle(self.chatters)
        sent: dict[bytes, float] = {}
        times: list[float] = []
        unsent = int(per_second * seconds)
        due = time.perf_counter()
        while unsent or sent:
            now = time.perf_counter()
            if unsent and now >= due:
                sent[next(turns).send().encode()] = now
                unsent -= 1
                due += 1 / per_second
                continue
            for _, payload in self.arrived(due - now if unsent else None):
                # The sender's own sockets get its id back, the neighbour's do not.
                if is_event(payload) and b'"client_message_id":null' in payload:
                    begin = payload.index(_CONTENT) + len(_CONTENT)
                    name = payload[begin : payload.index(b" ", begin)]
                    times.append(time.perf_counter() - sent.pop(name))
        return {"seconds": times}


def _chatter(usual: int, token: str, conversation_id: str, port: str | None = None) -> Chatter:
    return Chatter(int(port) if port else usual, token, conversation_id)


def main() -> None:
    raise_file_limit()
    port, lines = int(sys.argv[1]), Path(sys.argv[2]).read_text().splitlines()
    crowd = Crowd([_chatter(port, *line.split()) for line in lines])
    print("ready", flush=True)
    for line in sys.stdin:
        name, *arguments = line.split()
        answer = getattr(crowd, name)(*map(int, arguments))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
