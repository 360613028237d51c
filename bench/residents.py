"""Memory of the server per idle, logged-in socket, each of another user; and the time of a start."""

import tempfile
import time
from pathlib import Path

from bench.measure import median, memory_bytes, table
from bench.product import populated, running
from bench.sends import chatting
from bench.verdict import Verdict

__all__ = ["run_idle", "run_start"]

_GROUP = 1_000


def run_idle(*, count: int, core: int) -> tuple[str, list[Verdict]]:
    """`count` users in groups of a thousand, each with one socket."""
    with populated(count + 1, core=core) as product:
        people = product.accounts
        lines: list[tuple[str, str]] = []
        for first in range(0, count, _GROUP):
            members = people[first : first + _GROUP]
            conversation_id = product.group(members)
            lines += [(member.token, conversation_id) for member in members]
        with chatting(product, lines[:1], core):
            pass
        before, started = memory_bytes(product.pid), time.perf_counter()
        with chatting(product, lines[:count], core):
            seconds = time.perf_counter() - started
            each = (memory_bytes(product.pid) - before) / count / 1024
    text = table(
        "Resident memory of the server per idle, logged-in socket, each of another user",
        ["sockets", "KiB each", "server without, MiB", "s to open all"],
        [[count, each, before / 1024 / 1024, seconds]],
    )
    return text, [Verdict(f"KiB of memory per idle socket at {count:,}", each, 16.0)]


def run_start(*, rounds: int) -> tuple[str, list[Verdict]]:
    """From the command to `/readyz` saying yes."""
    fresh: list[float] = []
    existing: list[float] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for times in (fresh, existing):
                started = time.perf_counter()
                with running(Path(folder) / "data"):
                    times.append(time.perf_counter() - started)
    text = table(
        f"From the command to ready, s, median of {rounds}",
        ["fresh data directory", "existing one"],
        [[median(fresh), median(existing)]],
    )
    return text, [Verdict("seconds from start to ready, fresh directory", median(fresh), 1.5)]
