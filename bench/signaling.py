"""CPU per routed signaling frame, against a server that only passes frames on, in one run on one core; and a
thousand calls held by one process.

`python -m bench.signaling [--calls N] [--frames N]`. Timing is noisy where others work too: look at ratios.
"""

import argparse
import os
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from socket import socket

from bench.measure import Process, cpu_seconds, median, memory_bytes, raise_file_limit, table, versions
from bench.peers import connect_socket
from bench.population import Account
from bench.product import Product, populated

__all__ = ["main"]

_CALL = "/v1/calls"
_SDP = "v=0\\r\\n" + "a=candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host\\r\\n" * 20
_CANDIDATE = (
    '{"type":"ice_candidate","candidate":{"sdpMid":"0","sdpMLineIndex":0,'
    '"candidate":"candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host"}}'
)
_PEOPLE = 200  # each with a socket in every tenth of a thousand calls
_QUIET = 20  # seconds: four turns of the reaper
_WINDOW = 50  # frames on their way: as many as two browsers exchange when they find each other


def text(payload: bytes) -> bytes:
    """One masked text frame of any size below 64 KiB; the mask is zero."""
    size = len(payload)
    head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + struct.pack("!H", size)
    return head + bytes(4) + payload


def until(peer: socket, word: bytes) -> bytes:
    """Read until `word` was seen."""
    seen = b""
    while word not in seen:
        chunk = peer.recv(65_536)
        if not chunk:
            raise ConnectionError(f"closed before {word!r}: {seen[-200:]!r}")
        seen += chunk
    return seen


def read(peer: socket, size: int) -> None:
    """Read exactly so many bytes."""
    while size > 0:
        chunk = peer.recv(min(size, 1 << 20))
        if not chunk:
            raise ConnectionError("closed")
        size -= len(chunk)


class Pair:
    """Two sockets of one call: what the first one says, the second one hears."""

    def __init__(self, first: socket, second: socket) -> None:
        self.first, self.second = first, second

    def pass_on(self, frame: bytes, heard: int, count: int) -> None:
        """Say `frame` so many times, some at once, and wait until all of it was heard."""
        for start in range(0, count, _WINDOW):
            some = min(_WINDOW, count - start)
            self.first.sendall(frame * some)
            read(self.second, heard * some)


def ring(product: Product, caller: Account, callee: Account) -> str:
    """A call of two; its id."""
    body = {
        "call_type": "audio",
        "conversation_id": product.group([caller, callee]),
        "callee_ids": [callee.user_id],
    }
    call: dict[str, str] = product.call(caller.token, "POST", f"{_CALL}/initiate", body)
    return call["call_id"]


def enter(product: Product, account: Account, call_id: str) -> socket:
    """A signaling socket that joined."""
    header = f"Authorization: Bearer {account.token}"
    peer = connect_socket(product.port, f"/v1/ws/signaling?call_id={call_id}", header)
    peer.sendall(text(b'{"type":"join","ref":"j"}'))
    until(peer, b'"type":"ack"')
    return peer


@contextmanager
def talking(product: Product, caller: Account, callee: Account) -> Iterator[Pair]:
    """Two people in a call, quiet."""
    call_id = ring(product, caller, callee)
    with enter(product, caller, call_id) as first, enter(product, callee, call_id) as second:
        until(first, b'"type":"join"')
        for peer in (first, second):  # whatever came before the answer to this
            peer.sendall(text(b'{"type":"ping","ref":"quiet"}'))
            until(peer, b'"ref":"quiet"')
        yield Pair(first, second)


def heard(pair: Pair, frame: bytes) -> int:
    """How many bytes arrive for one frame."""
    pair.first.sendall(frame)
    head = pair.second.recv(4, 0x100)  # MSG_WAITALL
    size = head[1] if head[1] < 126 else struct.unpack("!H", head[2:4])[0]
    extra = 2 if head[1] < 126 else 4
    read(pair.second, extra + size - 4)
    return int(extra + size)


def routed(product: Product, core: int, frames: int, rounds: int) -> str:
    """CPU of the server per frame, the product and the bare relay taking turns."""
    rows = []
    with (
        Process.running(Process.python("bench.bare_relay"), core=core) as relay,
        talking(product, product.accounts[0], product.accounts[1]) as pair,
    ):
        port = int(relay.hear())
        with connect_socket(port, "/a") as first, connect_socket(port, "/b") as second:
            bare = Pair(first, second)
            for name, payload in (
                ("ice_candidate", _CANDIDATE),
                ("offer", f'{{"type":"offer","sdp":"{_SDP}"}}'),
            ):
                frame = text(payload.encode())
                sizes = {"bare": heard(bare, frame), "product": heard(pair, frame)}
                costs: dict[str, list[float]] = {"bare": [], "product": []}
                speeds: dict[str, list[float]] = {"bare": [], "product": []}
                for turn in range(rounds + 1):
                    for which, peers, pid in (("bare", bare, relay.pid), ("product", pair, product.pid)):
                        before, began = cpu_seconds(pid), time.perf_counter()
                        peers.pass_on(frame, sizes[which], frames)
                        spent = cpu_seconds(pid) - before
                        if turn:  # the first warms up
                            costs[which].append(spent * 1e6 / frames)
                            speeds[which].append(frames / (time.perf_counter() - began))
                middle = {which: median(values) for which, values in costs.items()}
                ratio = median([a / b for a, b in zip(costs["product"], costs["bare"], strict=True)])
                named = f"{name}, {len(frame)} bytes, bare relay"
                rows.append([named, middle["bare"], 1.0, median(speeds["bare"])])
                rows.append(["the product", middle["product"], ratio, median(speeds["product"])])
    return table(
        "Server CPU per routed signaling frame, one core for server and clients",
        ["", "µs", "× bare", "frames/s"],
        rows,
    )


def held(product: Product, calls: int) -> str:
    """What so many calls of two cost while nothing is said, and one frame among them."""
    before = memory_bytes(product.pid)
    with ExitStack() as stack:
        pairs = []
        people, half = product.accounts, len(product.accounts) // 2
        for number in range(calls):
            caller, callee = people[number % half], people[half + number % half]
            pairs.append(stack.enter_context(talking(product, caller, callee)))
        memory = (memory_bytes(product.pid) - before) / calls
        metrics = product.metrics()
        for pair in pairs[:1]:  # a sign that it still works
            frame = text(_CANDIDATE.encode())
            pair.pass_on(frame, heard(pair, frame), 100)
        began, spent = time.perf_counter(), cpu_seconds(product.pid)
        time.sleep(_QUIET)
        share = (cpu_seconds(product.pid) - spent) / (time.perf_counter() - began)
        rows: list[list[object]] = [
            ["calls active", metrics["calls_active"]],
            ["rooms on this process", metrics["video_rooms_active"]],
            ["memory per call of two, KiB", memory / 1024],
            ["CPU while nothing is said, % of a core", share * 100],
        ]
    return table(f"{calls} calls of two held by one process", ["", ""], rows)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000)
    parser.add_argument("--frames", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    raise_file_limit()
    core = sorted(os.sched_getaffinity(0))[0]
    os.environ["SECURECONNECT__REALTIME__PING_INTERVAL"] = "3000"  # bytes are counted; pings are none of it
    with populated(min(_PEOPLE, 2 * arguments.calls), core=core) as product:
        os.sched_setaffinity(0, {core})
        print(routed(product, core, arguments.frames, arguments.rounds), flush=True)
        print(held(product, arguments.calls), flush=True)
    print(versions("uvloop", "msgspec", "websockets"))


if __name__ == "__main__":
    main()
