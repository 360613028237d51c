"""Durable sends over sockets: what one costs when many send, and how long one takes when nobody else does."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.group_commit import bare as bare_sqlite
from bench.group_commit import one_insert, quantile, syncs
from bench.measure import Process, cpu_seconds, median, table
from bench.product import Product
from bench.rest import Bare
from bench.verdict import Verdict

__all__ = ["SENDERS", "chatting", "run"]

SENDERS = 256
_PORTION = 20


@contextmanager
def chatting(product: Product, lines: list[tuple[str, str]], core: int) -> Iterator[Process]:
    """Chat sockets, one for each access token and conversation id, for the length of the block."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(" ".join(line) for line in lines))
        file.flush()
        command = Process.python("bench.chatters", product.port, file.name)
        with Process.running(command, core=core) as chatters:
            chatters.hear()
            yield chatters


def run(
    product: Product, bare: Bare, *, cores: tuple[int, int], rounds: int, sends: int, alone: int
) -> tuple[str, list[Verdict]]:
    """Tables and what became of the targets. In a round each sender sends `sends` times."""
    people = product.accounts
    assert len(people) > SENDERS
    # Each sender in a conversation of its own, with somebody who is not connected.
    lines = [(person.token, product.group([person, people[SENDERS]])) for person in people[:SENDERS]]
    samples: list[dict[str, float]] = []
    disk: list[float] = []
    lone: list[float] = []
    with chatting(product, lines, cores[0]) as chatters, tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds + 1):
            sample = _together(product, bare, chatters, sends, Path(folder))
            if turn:  # the first warms up
                samples.append(sample)
        os.sched_setaffinity(chatters.pid, {cores[1]})
        # In small portions by turns: the disk is shared, and its mood changes within a second.
        while len(lone) < alone:
            disk += syncs(Path(folder), _PORTION)
            answer: dict[str, list[float]] = json.loads(chatters.ask(f"alone {_PORTION}"))
            lone += answer["seconds"]
    middle = {name: median(sample[name] for sample in samples) for name in samples[0]}
    sync = quantile(disk, 0.5)
    together = table(
        f"{SENDERS} senders over sockets, each in its own conversation, each waiting for its synced commit",
        ["", "CPU µs", "wall µs", "× bare response"],
        [
            ["bare uvicorn response, 16 connections", middle["bare"] * 1e6, "", 1.0],
            [
                f"bare uvicorn response, {SENDERS} connections",
                middle["as_many"] * 1e6,
                "",
                middle["as_many"] / middle["bare"],
            ],
            ["acknowledged send", middle["send"] * 1e6, middle["send_wall"] * 1e6, middle["ratio"]],
            [
                "bare SQLite, one insert, 256 per synced commit",
                middle["sqlite"] * 1e6,
                middle["sqlite_wall"] * 1e6,
                middle["sqlite"] / middle["bare"],
            ],
        ],
    )
    alone_table = table(
        "One sender alone, ms (server and client on cores of their own)",
        ["", "p50", "p99"],
        [
            ["fdatasync of the same disk", sync * 1e3, quantile(disk, 0.99) * 1e3],
            ["send to acknowledgement", quantile(lone, 0.5) * 1e3, quantile(lone, 0.99) * 1e3],
        ],
    )
    commits = f"synced commits per send: {middle['commits']:.4f}"
    return f"{together}\n{commits}\n\n{alone_table}", [
        Verdict("acknowledged send, 256 senders, × bare response", middle["ratio"], 5.0),
        Verdict(f"the same, × bare response over {SENDERS} connections too", middle["ratio_as_many"], 5.0),
        Verdict("synced commits per send, 256 senders", middle["commits"], 0.1),
        Verdict("one sender, p50 in ms (1 ms + 3 median syncs)", quantile(lone, 0.5) * 1e3, 1 + 3e3 * sync),
        Verdict(
            "one sender, p99 in ms (1 ms + 3 p99 syncs)",
            quantile(lone, 0.99) * 1e3,
            1 + 3e3 * quantile(disk, 0.99),
        ),
        Verdict("one sender, p99 in ms (1 ms + 3 median syncs)", quantile(lone, 0.99) * 1e3, 1 + 3e3 * sync),
    ]


def _together(product: Product, bare: Bare, chatters: Process, sends: int, folder: Path) -> dict[str, float]:
    count = sends * SENDERS
    reference, as_many = bare.sample(2_000), bare.sample(2_000, connections=SENDERS)
    commits, cpu = product.metrics()["db_commits_total"], cpu_seconds(product.pid)
    wall = json.loads(chatters.ask(f"each {sends}"))["seconds"]
    cpu = (cpu_seconds(product.pid) - cpu) / count
    commits = product.metrics()["db_commits_total"] - commits
    sqlite_wall, sqlite = bare_sqlite(folder / "bare.db", one_insert, 10)
    return {
        "bare": reference,
        "as_many": as_many,
        "ratio_as_many": cpu / as_many,
        "send": cpu,
        "send_wall": wall / count,
        "ratio": cpu / reference,
        "commits": commits / count,
        "sqlite": sqlite,
        "sqlite_wall": sqlite_wall,
    }
