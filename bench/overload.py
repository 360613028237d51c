"""What a server does that is asked for twice as much as it can do.

    python -m bench.overload [--seconds N]

One server on one core, its clients on the other. First what it can do: 256 connections that ask again as soon
as they are answered. Then twice that rate, at fixed times, over 2,000 connections; then half of it. Every
other request is a durable send, the others read. Beside the goodput under overload: the share of it in the
maximum of the same run, by time and by the CPU time that the server got, which differ on a machine that is
not alone; the times of accepted and of refused requests; the server's memory before and after.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from bench.chatters import TEXT_BYTES
from bench.measure import Process, cpu_seconds, raise_file_limit, table
from bench.product import Product, populated
from bench.requesters import request_bytes
from bench.verdict import Verdict

_CONNECTIONS = 2_000
_CLOSED = 256


def _requests(product: Product) -> list[str]:
    one, other = product.accounts[:2]
    conversation_id = product.group([one, other])
    message = {"conversation_id": conversation_id, "content": "x" * TEXT_BYTES}
    for _ in range(50):
        product.call(one.token, "POST", "/v1/messages", message)
    send = request_bytes("POST", "/v1/messages", token=one.token, body=json.dumps(message).encode())
    page = f"/v1/messages?conversation_id={conversation_id}&limit=50"
    reads = [
        request_bytes("GET", path, token=other.token)
        for path in ("/v1/conversations?limit=20", page, "/v1/users/me")
    ]
    return [request.hex() for read in reads for request in (send, read)]


def _memory_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no memory of the server")


def measure(seconds: float) -> list[Verdict]:
    """Print the tables; what became of the targets."""
    available = sorted(os.sched_getaffinity(0))
    core, other = available[0], available[-1]
    with (
        populated(4, core=core) as product,
        Process.running(Process.python("bench.rushers"), core=other) as clients,
    ):
        clients.hear()
        requests = _requests(product)

        def ask(rate: float, connections: int, lasts: float) -> dict[str, Any]:
            order = {
                "port": product.port,
                "requests": requests,
                "rate": rate,
                "seconds": lasts,
                "connections": connections,
            }
            before = cpu_seconds(product.pid)
            found: dict[str, Any] = json.loads(clients.ask(json.dumps(order)))
            return {**found, "cpu": cpu_seconds(product.pid) - before}

        ask(0, _CLOSED, seconds / 4)  # warms up
        most = ask(0, _CLOSED, seconds)
        maximum, per_cpu = most["good"] / most["seconds"], most["good"] / most["cpu"]
        before = _memory_mib(product.pid)
        runs = [("at its maximum", 0.0, most)]
        half = []
        for _ in range(2):
            runs.append(("at twice that", 2 * maximum, ask(2 * maximum, _CONNECTIONS, seconds)))
            half.append(_memory_mib(product.pid))
            runs.append(("at half", maximum / 2, ask(maximum / 2, _CONNECTIONS, seconds / 2)))
        rows = [
            [
                name,
                rate or maximum,
                run["good"] / run["seconds"],
                run["good"] / run["seconds"] / maximum,
                run["good"] / run["cpu"] / per_cpu,
                run["shed"] / run["seconds"],
                run["given_up"],
                sum(run["others"].values()),
                *(run["good_ms"][place] for place in (0, 2)),
                run["shed_ms"][2],
            ]
            for name, rate, run in runs
        ]
        columns = [
            "",
            "asked/s",
            "good/s",
            "of most",
            "by CPU",
            "shed/s",
            "given up",
            "other",
            "p50 ms",
            "p99 ms",
        ]
        print(table("Requests of one process on one core", [*columns, "p99 shed"], rows))
        print(f"memory: {before:.0f} MiB before, {half[0]:.0f} and {half[1]:.0f} MiB after each overload")
        rushes = [run for name, _, run in runs if name == "at twice that"]
        calm = runs[-1][2]
        return [
            Verdict(
                "maximum / goodput at twice the load",
                maximum / min(run["good"] / run["seconds"] for run in rushes),
                1 / 0.8,
            ),
            Verdict("p99 of accepted requests, s", max(run["good_ms"][2] for run in rushes) / 1000, 5.0),
            Verdict("answers that are neither good nor refused", sum(map(_failures, rushes)), 0),
            Verdict("memory after the second overload / after the first", half[1] / half[0], 1.1),
            Verdict("refused once it is over", calm["shed"], 0),
        ]


def _failures(run: dict[str, Any]) -> int:
    return sum(run["others"].values())


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.overload",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--strict", action="store_true", help="fail when a target is missed")
    arguments = parser.parse_args()
    raise_file_limit()
    verdicts = measure(arguments.seconds)
    print(table("Targets", ["", "target", "reached", ""], [verdict.row() for verdict in verdicts]))
    if arguments.strict and not all(verdict.met for verdict in verdicts):
        sys.exit(1)


if __name__ == "__main__":
    main()
