"""kill -9 at random moments under load: every acknowledged event is there, once, in a log without gaps.

`SECURECONNECT_FAULT_KILLS` sets how many kills (default 5), `SECURECONNECT_FAULT_SEED` the random moments.
"""

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tests.faults.crash_writer import Open

KILLS = int(os.environ.get("SECURECONNECT_FAULT_KILLS", "5"))
SEED = int(os.environ.get("SECURECONNECT_FAULT_SEED", "20260131"))


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


def run_and_kill(path: Path, promises: Promises, chance: random.Random) -> None:
    """Start a writer, kill it at a random moment, and hear everything that it said until then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.crash_writer", str(path), str(chance.randrange(2**32))],
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
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        heads = raw.execute(
            "SELECT conversation_id, first_seq, last_seq, message_count, guard FROM timeline_heads"
        ).fetchall()
        events = {
            (row[0], row[1]): row[2:]
            for row in raw.execute("SELECT conversation_id, seq, event_id, kind, data FROM timeline_events")
        }
        messages = raw.execute(
            "SELECT conversation_id, seq, message_id, sender_id, client_message_id FROM messages"
        ).fetchall()
        remembered = raw.execute(
            "SELECT conversation_id, sender_id, client_message_id, message_id, seq FROM send_dedup"
        ).fetchall()
        members = raw.execute(
            "SELECT conversation_id, user_id, joined_seq, last_read_seq FROM conversation_participants"
        ).fetchall()

    # Nothing acknowledged is lost or moved.
    assert {place: events.get(place, (None,))[0] for place in promises.events} == promises.events
    assert promises.joined.items() <= {(row[0], row[1]): row[2] for row in members}.items()

    # I1: exactly first_seq … last_seq, one event each.
    for conversation, first, last, _count, _guard in heads:
        seqs = sorted(seq for name, seq in events if name == conversation)
        assert first == 1
        assert seqs == list(range(1, last + 1))
    assert len({row[0] for row in events.values()}) == len(events)

    # I3: a message for every message_created, and the other way round.
    created = {place: row[0] for place, row in events.items() if row[1] == "message_created"}
    assert {(row[0], row[1]): row[2] for row in messages} == created
    counts = Counter(row[0] for row in messages)
    assert {row[0]: row[3] for row in heads} == {row[0]: counts[row[0]] for row in heads}

    # G4: one event per (conversation, sender, client_message_id), and the memory of it agrees.
    assert sorted((row[0], row[3], row[4], row[2], row[1]) for row in messages) == sorted(remembered)
    assert len({(row[0], row[3], row[4]) for row in messages}) == len(messages)

    # I4 and G2: rows and their events, and the statement that rode along with each send.
    joins = {
        (place[0], msgspec.json.decode(row[2])["user_id"]): place[1]
        for place, row in events.items()
        if row[1] == "member_added"
    }
    assert joins == {(row[0], row[1]): row[2] for row in members}
    latest = dict(joins)
    for conversation, seq, _id, sender, _client_id in sorted(messages, key=lambda row: row[1]):
        latest[conversation, sender] = seq
    assert latest == {(row[0], row[1]): row[3] for row in members}
    return len(events)


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
