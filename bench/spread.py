"""What a delivered event costs when the members of a group are spread over several chat processes.

    python -m bench.spread [--rounds N] [--events N]

One, two and four processes run side by side, each number of them with its own database on one PostgreSQL and
its own channels on one Valkey, and take turns; CPU is that of the chat processes alone, all on one core.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.chatters import TEXT_BYTES
from bench.deliveries import SUBSCRIBERS
from bench.measure import Process, cpu_seconds, median, raise_file_limit, table, versions
from bench.population import populate
from bench.product import ENVIRONMENT, Product
from stack.postgres import Postgres
from stack.roles import RoleProcess, variables
from stack.seaweed import Seaweed
from stack.settings import Keys, Sections, store_settings
from stack.valkey import Valkey

__all__ = ["run"]

PROCESSES = (1, 2, 4)
_BURST = 16


class Spread(NamedTuple):
    """Chat processes of one installation, and the sockets of one group's members, dealt out among them."""

    pids: list[int]
    chatters: Process

    def cost(self, senders: int, rounds: int) -> float:
        """Microseconds of CPU of all processes per event and socket."""
        before = sum(map(cpu_seconds, self.pids))
        self.chatters.ask(f"burst {senders} {rounds}")
        after = sum(map(cpu_seconds, self.pids))
        return (after - before) * 1e6 / (rounds * senders * SUBSCRIBERS)


def run(*, core: int, rounds: int, events: int) -> str:
    """The table."""
    one: dict[int, list[float]] = {count: [] for count in PROCESSES}
    burst: dict[int, list[float]] = {count: [] for count in PROCESSES}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        postgres = stack.enter_context(Postgres(folder / "postgres", fsync=True))
        valkey = stack.enter_context(Valkey(folder / "valkey"))
        seaweed = stack.enter_context(Seaweed(folder / "seaweed"))
        spreads = {}
        for number, count in enumerate(PROCESSES):
            settings = store_settings(
                Keys(),
                database=postgres.create_database(f"spread{count}"),
                redis=valkey.url_of(number),
                store=seaweed,
                bucket=f"spread{count}",
            )
            spreads[count] = stack.enter_context(_spread(folder / str(count), settings, count, core))
        for turn in range(rounds + 1):
            for count, spread in spreads.items():
                alone, together = spread.cost(1, events), spread.cost(_BURST, max(1, events // 4))
                if turn:  # the first warms up
                    one[count].append(alone)
                    burst[count].append(together)
    return table(
        f"CPU of all chat processes per delivered event, {SUBSCRIBERS} members connected, {TEXT_BYTES} bytes"
        " of text, PostgreSQL and Valkey, one core",
        ["", "one message, µs", "× 1 process", f"{_BURST} at once, µs", "× 1 process"],
        [
            [
                f"{count} process{'es' if count > 1 else ''}",
                median(one[count]),
                median(one[count]) / median(one[PROCESSES[0]]),
                median(burst[count]),
                median(burst[count]) / median(burst[PROCESSES[0]]),
            ]
            for count in PROCESSES
        ],
    )


@contextlib.contextmanager
def _spread(folder: Path, settings: Sections, count: int, core: int) -> Iterator[Spread]:
    environment = {**ENVIRONMENT, **variables(settings), "SECURECONNECT__DATABASE__AUTO_MIGRATE": "true"}
    folder.mkdir()
    accounts = populate(folder / "data", environment, SUBSCRIBERS)
    with contextlib.ExitStack() as stack:
        processes = []
        own = {**settings, "rate_limits": {"enabled": False}, "realtime": {"idle_timeout": 3600}}
        for number in range(count):
            process = RoleProcess(folder, "chat", f"chat{number}", own, data_dir=folder / "data")
            stack.enter_context(process)
            os.sched_setaffinity(process.pid, {core})
            processes.append(process)
        with RoleProcess(folder, "auth", "auth", own, data_dir=folder / "data") as auth:
            conversation_id = Product(auth.pid, auth.port, accounts).group(accounts)
        lines = folder / "lines"
        lines.write_text(
            "\n".join(
                f"{account.token} {conversation_id} {processes[number % count].port}"
                for number, account in enumerate(accounts)
            )
        )
        with Process.running(
            Process.python("bench.chatters", processes[0].port, lines), core=core
        ) as chatters:
            chatters.hear()
            yield Spread([process.pid for process in processes], chatters)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.spread", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--events", type=int, default=20)
    wanted = parser.parse_args()
    raise_file_limit()
    print(versions("uvloop", "asyncpg"), file=sys.stderr)
    core = min(os.sched_getaffinity(0))
    print(run(core=core, rounds=wanted.rounds, events=wanted.events))


if __name__ == "__main__":
    main()
