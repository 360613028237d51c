"""Server CPU per delivered event, against a C program that does the same writes, in one run on one core.

`python -m bench.fanout [subscribers]`. Both servers and their peers are pinned to the same core: between two
cores the same program costs one time or four times as much from one minute to the next.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.measure import Process, cpu_seconds, median, table, versions
from secureconnect.edge.realtime.transport import TransportLimits

__all__ = ["build_limit", "main", "run"]

_SOURCE = Path(__file__).parent / "climit" / "fanout.c"
_HEAD = 4  # of a text frame of 126 to 65,535 bytes


def build_limit(folder: str) -> str:
    """Compile the C program into `folder`; the path of the result."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RuntimeError("a C compiler (cc) is needed for the limit program")
    target = str(Path(folder) / "fanout")
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", target, str(_SOURCE)], check=True)
    return target


def sample(
    server: Process, peers: Process, *, rounds: int, events: int, frame: int, subscribers: int
) -> float:
    """Microseconds of the server's CPU per event and subscriber."""
    before = cpu_seconds(server.pid)
    peers.ask(f"rounds {rounds} {events} {events * frame}")
    return (cpu_seconds(server.pid) - before) * 1e6 / (rounds * events * subscribers)


def run(
    *, subscribers: int = 500, event_bytes: int = 200, rounds: int = 20, repeats: int = 7, core: int = 0
) -> dict[str, Any]:
    """Medians over `repeats`, in which both servers take turns.

    Returns:
        `limit_us`, `ours_us`, `ratio` for single events; `limit_burst_us`, `ours_burst_us`, `burst_ratio` (of
        the C program in the same burst) and `burst_ratio_single` (of its single events) for 16 in one turn.
    """
    frame = event_bytes + _HEAD
    buffer = TransportLimits().kernel_send_buffer
    burst = 16
    figures: dict[str, list[float]] = {"limit": [], "ours": [], "limit_burst": [], "ours_burst": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        Process.running([build_limit(folder), str(subscribers), str(frame), str(buffer)], core=core) as limit,
        Process.running(Process.python("bench.bare_server", frame), core=core) as ours,
        Process.running(Process.python("bench.peers", "raw", limit.hear(), subscribers), core=core) as raw,
        Process.running(Process.python("bench.peers", "ws", ours.hear(), subscribers), core=core) as ws,
    ):
        raw.hear()
        ws.hear()
        for turn in range(repeats + 1):
            for name, server, peers in (("limit", limit, raw), ("ours", ours, ws)):
                for suffix, events, count in (("", 1, rounds), ("_burst", burst, max(1, rounds // 4))):
                    cost = sample(
                        server, peers, rounds=count, events=events, frame=frame, subscribers=subscribers
                    )
                    if turn:  # the first warms up
                        figures[name + suffix].append(cost)
    result: dict[str, Any] = {f"{name}_us": median(values) for name, values in figures.items()}
    result["ratio"] = result["ours_us"] / result["limit_us"]
    result["burst_ratio"] = result["ours_burst_us"] / result["limit_burst_us"]
    result["burst_ratio_single"] = result["ours_burst_us"] / result["limit_us"]
    result["subscribers"] = subscribers
    result["event_bytes"] = event_bytes
    return result


def main() -> None:
    result = run(subscribers=int(sys.argv[1]) if len(sys.argv) > 1 else 500)
    print(versions("uvicorn", "uvloop", "websockets"))
    print(
        table(
            f"CPU of the server per delivered event of {result['event_bytes']} bytes, "
            f"{result['subscribers']} subscribers, one core",
            ["", "C limit µs", "socket layer µs", "ratio", "target"],
            [
                ["one event", result["limit_us"], result["ours_us"], result["ratio"], "≤ 2.0"],
                [
                    "burst of 16, to the C burst",
                    result["limit_burst_us"],
                    result["ours_burst_us"],
                    result["burst_ratio"],
                    "< 0.5",
                ],
                [
                    "burst of 16, to single C events",
                    result["limit_us"],
                    result["ours_burst_us"],
                    result["burst_ratio_single"],
                    "< 0.5",
                ],
            ],
        )
    )


if __name__ == "__main__":
    main()
