"""Delivery to many sockets: its CPU against a C program that does the same writes, and its latency."""

import json
import tempfile

from bench.chatters import TEXT_BYTES
from bench.fanout import build_limit, sample
from bench.group_commit import quantile
from bench.measure import Process, cpu_seconds, median, table
from bench.product import Product
from bench.sends import chatting
from bench.verdict import Verdict
from secureconnect.edge.realtime.transport import TransportLimits

__all__ = ["SUBSCRIBERS", "run_cpu", "run_latency"]

SUBSCRIBERS = 500
_BURST = 16
_HEAD = 4  # of a text frame of 126 to 65,535 bytes
_PER_SECOND = 100


def run_cpu(product: Product, *, core: int, rounds: int, events: int) -> tuple[str, list[Verdict]]:
    """A member of a group of 500 sends `events` messages one by one, then 16 members at once.

    The C program writes frames of as many bytes. The whole cost of the server counts: reading, checking,
    storing and acknowledging the message as well.
    """
    members = product.accounts[:SUBSCRIBERS]
    conversation_id = product.group(members)
    buffer = TransportLimits().kernel_send_buffer
    bursts = max(1, events // 4)
    figures: dict[str, list[float]] = {"limit": [], "one": [], "burst": [], "ratio": [], "burst_ratio": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        chatting(product, [(member.token, conversation_id) for member in members], core) as chatters,
    ):
        frame = int(json.loads(chatters.ask("burst 1 1"))["payload"]) + _HEAD
        with (
            Process.running(
                [build_limit(folder), str(SUBSCRIBERS), str(frame), str(buffer)], core=core
            ) as limit,
            Process.running(
                Process.python("bench.peers", "raw", limit.hear(), SUBSCRIBERS), core=core
            ) as raw,
        ):
            raw.hear()
            for turn in range(rounds + 1):
                least = sample(limit, raw, rounds=events, events=1, frame=frame, subscribers=SUBSCRIBERS)
                one = _cost(product, chatters, 1, events)
                burst = _cost(product, chatters, _BURST, bursts)
                if turn:  # the first warms up
                    figures["limit"].append(least)
                    figures["one"].append(one)
                    figures["burst"].append(burst)
                    figures["ratio"].append(one / least)
                    figures["burst_ratio"].append(burst / least)
    middle = {name: median(values) for name, values in figures.items()}
    text = table(
        f"Server CPU per delivered event, {SUBSCRIBERS} members connected, {TEXT_BYTES} bytes of text in a"
        f" frame of {frame}, one core",
        ["", "µs", "× C"],
        [
            ["C program, one write for each", middle["limit"], 1.0],
            ["the product, one message", middle["one"], middle["ratio"]],
            [f"the product, {_BURST} messages at once", middle["burst"], middle["burst_ratio"]],
        ],
    )
    return text, [
        Verdict("delivered event, × C program", middle["ratio"], 2.0),
        Verdict(f"delivered event, burst of {_BURST}, × C program", middle["burst_ratio"], 0.5),
    ]


def run_latency(product: Product, *, cores: tuple[int, int], seconds: int) -> str:
    """500 sockets talk in pairs, 100 messages per second in all."""
    people = product.accounts[:SUBSCRIBERS]
    lines = []
    for one, other in zip(people[::2], people[1::2], strict=True):
        conversation_id = product.group([one, other])
        lines += [(one.token, conversation_id), (other.token, conversation_id)]
    with chatting(product, lines, cores[1]) as chatters:
        times = json.loads(chatters.ask(f"pace {_PER_SECOND} {seconds}"))["seconds"]
    return table(
        f"From send to delivery on another socket, {len(lines)} sockets, {_PER_SECOND} messages a second, ms",
        ["", "p50", "p99", "max"],
        [["the product", quantile(times, 0.5) * 1e3, quantile(times, 0.99) * 1e3, max(times) * 1e3]],
    )


def _cost(product: Product, chatters: Process, senders: int, rounds: int) -> float:
    """Microseconds of CPU per event and socket."""
    before = cpu_seconds(product.pid)
    chatters.ask(f"burst {senders} {rounds}")
    return (cpu_seconds(product.pid) - before) * 1e6 / (rounds * senders * SUBSCRIBERS)
