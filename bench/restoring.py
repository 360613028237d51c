"""What a backup and a restore of a long history take, and whether every row came back.

    python -m bench.restoring [--messages N] [--objects N]

A data directory with 1,000,000 messages of 500 people in 5,000 conversations and some files, backed up with
a passphrase, restored into an empty directory with the product's own commands, and compared row by row, table
by table, and object by object. What a restore changes on purpose (ended sessions, the record of the restore)
is left out of the comparison and named. Beside it: what copying the same database file takes on this disk,
and the memory of each command at its highest.
"""

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.corpus import Room, fill, languages
from bench.measure import table, versions
from bench.population import populate
from secureconnect.kit.ids import new_id

_ROOMS = 5_000
_PEOPLE = 500
_OBJECT = 256 * 1024
_ENVIRONMENT = {"SECURECONNECT__BACKUP__PASSPHRASE": "a-passphrase-of-the-bench"}

#: What a restore is there to change.
_CHANGED = {"sessions", "audit_logs", "one_time_tokens", "schema_migrations"}


def _make(data_dir: Path, messages: int, objects: int) -> None:
    chance = random.Random(11)
    accounts = populate(data_dir, {}, _PEOPLE)
    rooms = [
        Room(new_id(), tuple(account.user_id for account in chance.sample(accounts, chance.randint(2, 12))))
        for _ in range(_ROOMS)
    ]
    fill(data_dir, {}, rooms, messages=messages, spoken=languages(chance), seed=11)
    for number in range(objects):
        folder = data_dir / "objects" / "users" / accounts[number % _PEOPLE].user_id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / new_id()).write_bytes(chance.randbytes(_OBJECT))


def _command(*arguments: str | Path) -> tuple[float, int, dict[str, Any]]:
    """Seconds, memory at its highest in KiB, and what a command said."""
    started = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    done = subprocess.run(
        [sys.executable, "-m", "secureconnect", *map(str, arguments)],
        env={**os.environ, **_ENVIRONMENT},
        stdout=subprocess.PIPE,
        check=True,
    )
    highest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return time.perf_counter() - started, max(before, highest), json.loads(done.stdout)


def _tables(raw: sqlite3.Connection) -> list[str]:
    rows = raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return sorted(row[0] for row in rows)


def _rows(raw: sqlite3.Connection, name: str) -> Iterator[tuple[Any, ...]]:
    keys = [row[1] for row in raw.execute(f"PRAGMA table_info({name})") if row[5]]
    return iter(raw.execute(f"SELECT * FROM {name} ORDER BY {', '.join(keys) or 'rowid'}"))


def compare(one: Path, other: Path) -> dict[str, int]:
    """Rows that are the same, by table.

    Raises:
        AssertionError: a row differs, or there are more here than there.
    """
    same: dict[str, int] = {}
    with closing(sqlite3.connect(one)) as first, closing(sqlite3.connect(other)) as second:
        assert _tables(first) == _tables(second)
        for name in _tables(first):
            if name in _CHANGED:
                continue
            count = 0
            for left, right in zip(_rows(first, name), _rows(second, name), strict=True):
                assert left == right, (name, left, right)
                count += 1
            same[name] = count
    return same


def _objects(data_dir: Path) -> dict[str, str]:
    root = data_dir / "objects" / "users"
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def measure(messages: int, objects: int) -> None:
    """Print what was measured."""
    with tempfile.TemporaryDirectory(prefix="bench-restoring-") as folder:
        root = Path(folder)
        data, target, archive = root / "data", root / "restored", root / "one.backup"
        _make(data, messages, objects)
        database = data / "secureconnect.db"
        size = database.stat().st_size
        started = time.perf_counter()
        shutil.copyfile(database, root / "copy.db")
        os.sync()
        copied = time.perf_counter() - started
        (root / "copy.db").unlink()

        made, made_kib, receipt = _command("backup", "--data-dir", data, "--out", archive, "--json")
        checked, checked_kib, _ = _command("restore", "--in", archive, "--verify", "--json")
        restored, restored_kib, _ = _command("restore", "--data-dir", target, "--in", archive, "--json")
        same = compare(database, target / "secureconnect.db")
        kept = _objects(data)
        assert kept == _objects(target), "objects differ"

        mib = 1 << 20
        print(
            f"{receipt['rows']} rows, {receipt['objects']} objects of "
            f"{receipt['object_bytes'] / mib:.0f} MiB; "
            f"the database has {size / mib:.0f} MiB, the backup {archive.stat().st_size / mib:.0f} MiB"
        )
        rows = [
            ["backup", made, made / copied, made_kib / 1024],
            ["restore --verify", checked, checked / copied, checked_kib / 1024],
            ["restore", restored, restored / copied, restored_kib / 1024],
        ]
        print(
            table(
                "Seconds, beside a bare copy of the database file, and memory at its highest so far",
                ["", "s", "× copy", "MiB"],
                rows,
            )
        )
        print(f"copy of the database file, synced: {copied:.2f} s")
        print(
            f"compared row by row: {sum(same.values())} rows of {len(same)} tables and {len(kept)} objects "
            f"are the same; not compared: {', '.join(sorted(_CHANGED))}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.restoring",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--objects", type=int, default=400)
    arguments = parser.parse_args()
    print(
        versions("secureconnect", "sqlalchemy", "msgspec", "cryptography"), f"SQLite {sqlite3.sqlite_version}"
    )
    measure(arguments.messages, arguments.objects)


if __name__ == "__main__":
    main()
