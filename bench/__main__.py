"""The whole product against the limits of the machine it runs on, in one run.

    python -m bench [--quick] [--strict] [--object-mib N]

CPU figures are those of the server's process; server, load and limit programs share one core and take turns,
so that ratios hold on a machine whose speed changes. `--quick` says in a minute whether everything still runs
and roughly what it costs; `--strict` ends with 1 when a target is missed.
"""

import argparse
import os
import sqlite3
import sys
import time
from typing import NamedTuple

from bench import deliveries, objects, residents, rest, sends
from bench.measure import raise_file_limit, table, versions
from bench.product import populated
from bench.verdict import Verdict


class Plan(NamedTuple):
    """How much is measured."""

    rounds: int = 9
    requests: int = 3_000
    sends: int = 20
    alone: int = 1_000
    events: int = 20
    latency_seconds: int = 20
    idle: int = 10_000
    starts: int = 5
    object_mib: int = 1_024


_QUICK = Plan(
    rounds=3,
    requests=500,
    sends=5,
    alone=100,
    events=5,
    latency_seconds=3,
    idle=1_000,
    starts=1,
    object_mib=512,
)


def measure(plan: Plan) -> list[Verdict]:
    """Print every table; what became of the targets."""
    available = sorted(os.sched_getaffinity(0))
    core, other = available[0], available[-1]
    verdicts: list[Verdict] = []

    def tell(result: tuple[str, list[Verdict]]) -> None:
        print(f"\n{result[0]}", flush=True)
        verdicts.extend(result[1])

    tell(residents.run_start(rounds=plan.starts))
    os.sched_setaffinity(0, {core})
    with populated(max(sends.SENDERS + 1, deliveries.SUBSCRIBERS), core=core) as product:
        with rest.bare_uvicorn(core) as bare:
            tell(rest.run(product, bare, rounds=plan.rounds, requests=plan.requests))
            tell(
                sends.run(
                    product,
                    bare,
                    cores=(core, other),
                    rounds=plan.rounds,
                    sends=plan.sends,
                    alone=plan.alone,
                )
            )
        tell(deliveries.run_cpu(product, core=core, rounds=plan.rounds, events=plan.events))
        tell((deliveries.run_latency(product, cores=(core, other), seconds=plan.latency_seconds), []))
    tell(residents.run_idle(count=plan.idle, core=core))
    # The client and the disk need the other core; the limits are measured in the same places.
    os.sched_setaffinity(0, set(available))
    tell(objects.run(mib=plan.object_mib, core=core))
    return verdicts


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter samples")
    parser.add_argument("--strict", action="store_true", help="fail when a target is missed")
    parser.add_argument("--object-mib", type=int, metavar="N", help="size of the large file, in MiB")
    arguments = parser.parse_args()
    raise_file_limit()
    started = time.perf_counter()
    print(versions("secureconnect", "uvicorn", "uvloop", "msgspec", "sqlalchemy", "websockets"), end=", ")
    print(f"SQLite {sqlite3.sqlite_version}")
    plan = _QUICK if arguments.quick else Plan()
    if arguments.object_mib is not None:
        plan = plan._replace(object_mib=arguments.object_mib)
    verdicts = measure(plan)
    print()
    print(table("Targets", ["", "target", "reached", ""], [verdict.row() for verdict in verdicts]))
    print(f"\n{time.perf_counter() - started:.0f} s")
    if arguments.strict and not all(verdict.met for verdict in verdicts):
        sys.exit(1)


if __name__ == "__main__":
    main()
