"""kill -9 at random moments under load: every acknowledged event is there, once, in a log without gaps.

`SECURECONNECT_FAULT_KILLS` sets how many kills, `SECURECONNECT_FAULT_SEED` the random moments.
"""

import random
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from tests.faults.crash_writer import Open
from tests.faults.plan import SEED, kills
from tests.faults.stored import check_log, read_stored
from tests.scenarios.tables import SqliteTables

KILLS = kills(5)


class Promises:
    """What the killed processes said."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, int], str] = {}  # place → event id
        self.sent: dict[Open, tuple[int, str]] = {}  # send → place and event id
        self.joined: dict[tuple[str, str], int] = {}
        self.open: set[Open] = set()

    def hear(self, line: str) -> None:
        word, conversation, *rest = line.split(" ")
        if word == "want":
            self.open.add(Open(conversation, rest[0], rest[1]))
        elif word == "ack":
            seq, event_id, what = int(rest[0]), rest[1], Open(conversation, rest[2], rest[3])
            self.open.discard(what)
            assert self.sent.setdefault(what, (seq, event_id)) == (seq, event_id), "two results for one send"
            assert self.events.setdefault((conversation, seq), event_id) == event_id, (
                "two events in one place"
            )
        else:
            assert word == "join"
            self.joined[conversation, rest[1]] = int(rest[0])


def run_and_kill(path: Path, promises: Promises, chance: random.Random, *more: str) -> None:
    """Start a writer, kill it at a random moment, and hear everything that it said until then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.crash_writer", str(path), str(chance.randrange(2**32)), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(sorted(promises.open, key=str)).decode())
    process.stdin.close()
    enough = chance.choice((1, 50, 500, 2000)) + chance.randrange(300)
    heard = 0
    for line in process.stdout:
        assert line.endswith("\n"), "said only half"
        promises.hear(line[:-1])
        heard += 1
        if heard == enough:
            time.sleep(chance.random() * 0.01)  # the random moment, anywhere inside a group's life
            process.kill()
    process.stdout.close()
    assert process.wait() == -9, "it ended by itself"
    assert heard >= enough


def check(path: Path, promises: Promises) -> int:
    """Compare the file with the promises; returns how many events it holds."""
    stored = read_stored(SqliteTables(path))
    check_log(stored)

    # Nothing acknowledged is lost or moved.
    ids = {place: stored.events[place].event_id for place in promises.events if place in stored.events}
    assert ids == promises.events
    joined = {seat: row["joined_seq"] for seat, row in stored.members.items()}
    assert promises.joined.items() <= joined.items()

    # I4 and G2: rows and their events, and the statement that rode along with each send.
    joins = {
        (conversation, row.fields["user_id"]): seq
        for (conversation, seq), row in stored.events.items()
        if row.kind == "member_added"
    }
    assert joins == joined
    latest = dict(joins)
    for conversation, seq, _id, sender, _client_id in sorted(stored.messages, key=lambda row: row[1]):
        latest[conversation, sender] = seq
    assert latest == {seat: row["last_read_seq"] for seat, row in stored.members.items()}
    return len(stored.events)


@pytest.mark.faults
def test_kill_9_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "secureconnect.db"
    chance = random.Random(SEED)
    promises = Promises()
    counts = []
    for _ in range(KILLS):
        run_and_kill(path, promises, chance)
        counts.append(check(path, promises))
    assert counts == sorted(counts)
    print(
        f"{KILLS} kills, {len(promises.events)} acknowledged sends, {len(promises.joined)} joins, seed {SEED}"
    )
    assert len(promises.events) > 10 * KILLS
