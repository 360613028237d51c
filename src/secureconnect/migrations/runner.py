"""Applies the numbered steps of this package and records them in `schema_migrations`
(docs/reference/data.md §1).

Every function works in the caller's transaction: a run happens completely or not at all. Several processes
may run it at once, also on several hosts: on SQLite `Database.write` excludes other writers; on a server the
second one waits for the first at the row of the step, then runs again and finds nothing left to do. Alembic
is imported only when there is a step to run.

A step names in `READABLE_SINCE` the oldest schema version whose programs go on working once it was applied.
It is kept in `schema_readable`, where those programs find it: they start beside newer ones, and refuse what
they cannot read. A step that names none ends the service of every program before it.
"""

import hashlib
import re
from functools import cache
from importlib import import_module, resources
from types import ModuleType
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, Table, Text, delete, insert, select

from secureconnect.infra.database.base import DatabaseRefused
from secureconnect.kit.clock import SystemClock

__all__ = ["Applied", "Status", "Step", "downgrade", "newest_version", "status", "steps", "upgrade"]

_FILE = re.compile(r"v(\d{4})_(\w+)\.py")

_table = Table(
    "schema_migrations",
    MetaData(),  # not the product's METADATA: this table belongs to no step
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("applied_at", BigInteger, nullable=False),
    Column("checksum", Text, nullable=False),
)

_readable = Table(
    "schema_readable",
    MetaData(),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("since", Integer, nullable=False),
)


class Step(NamedTuple):
    """One migration that this program brings. `checksum` is the SHA-256 of its source."""

    version: int
    name: str
    checksum: str


class Applied(NamedTuple):
    """One migration that the database has. `applied_at` in milliseconds since the epoch."""

    version: int
    applied_at: int
    checksum: str


class Status(NamedTuple):
    """How database and program compare.

    `pending`: steps to apply, in order. `unknown`: applied by a newer program; `unreadable`: those among them
    that this one cannot work beside. `changed`: applied steps whose source is another one now.
    """

    applied: list[Applied]
    pending: list[Step]
    unknown: list[Applied]
    unreadable: list[Applied]
    changed: list[Step]

    @property
    def version(self) -> int:
        """The schema version of the database, 0 when it is empty."""
        return self.applied[-1].version if self.applied else 0


@cache
def steps() -> tuple[Step, ...]:
    """All steps of this program, in order."""
    found = []
    for file in resources.files(__package__).iterdir():
        match = _FILE.fullmatch(file.name)
        if match:
            checksum = hashlib.sha256(file.read_bytes()).hexdigest()
            found.append(Step(int(match.group(1)), match.group(2), checksum))
    found.sort()
    assert [step.version for step in found] == list(range(1, len(found) + 1)), (
        "migrations are numbered from 1"
    )
    return tuple(found)


def newest_version() -> int:
    """The schema version that this program works on."""
    return steps()[-1].version


def status(conn: Connection) -> Status:
    """Compare the database with the program. Changes nothing."""
    applied: list[Applied] = []
    if conn.dialect.has_table(conn, _table.name):
        rows = conn.execute(select(_table).order_by(_table.c.version))
        applied = [Applied(*row) for row in rows]
    known = {step.version: step for step in steps()}
    done = {row.version for row in applied}
    unknown = [row for row in applied if row.version not in known]
    since = _since(conn) if unknown else {}
    return Status(
        applied=applied,
        pending=[step for step in steps() if step.version not in done],
        unknown=unknown,
        unreadable=[row for row in unknown if since.get(row.version, row.version) > newest_version()],
        changed=[
            known[row.version]
            for row in applied
            if row.version in known and known[row.version].checksum != row.checksum
        ],
    )


def upgrade(conn: Connection, to: int | None = None) -> list[Step]:
    """Apply the pending steps up to version `to` (default: all) and return them.

    Raises:
        DatabaseRefused: the schema is of a newer program and not readable by this one, or an applied step was
            changed since.
    """
    now = status(conn)
    _check(now, now.unreadable)
    todo = [step for step in now.pending if to is None or step.version <= to]
    if todo:
        _table.create(conn, checkfirst=True)
    for step in todo:
        # First, so that whoever else is about to apply it waits here before it changes anything.
        conn.execute(
            insert(_table).values(
                version=step.version, applied_at=SystemClock().now(), checksum=step.checksum
            )
        )
        module = _load(step)
        module.upgrade(_operations(conn))
        since = getattr(module, "READABLE_SINCE", None)
        if since is not None:
            _readable.create(conn, checkfirst=True)
            conn.execute(insert(_readable).values(version=step.version, since=since))
    return todo


def downgrade(conn: Connection, count: int) -> list[Step]:
    """Undo the last `count` applied steps, newest first, and return them. Their data is lost.

    Raises:
        DatabaseRefused: the schema is newer than this program, or an applied step was changed since.
    """
    now = status(conn)
    _check(now, now.unknown)
    known = {step.version: step for step in steps()}
    readable = conn.dialect.has_table(conn, _readable.name)
    undone = [known[row.version] for row in reversed(now.applied)][:count]
    for step in undone:
        _load(step).downgrade(_operations(conn))
        conn.execute(delete(_table).where(_table.c.version == step.version))
        if readable:
            conn.execute(delete(_readable).where(_readable.c.version == step.version))
    return undone


def _since(conn: Connection) -> dict[int, int]:
    if not conn.dialect.has_table(conn, _readable.name):
        return {}
    return {row.version: row.since for row in conn.execute(select(_readable))}


def _check(now: Status, newer: list[Applied]) -> None:
    if newer:
        raise DatabaseRefused(
            f"The database has schema version {now.version}; this program knows {newest_version()}.",
            "Run the newer program, or restore a backup that this version made.",
        )
    if now.changed:
        names = ", ".join(f"{step.version:04d} {step.name}" for step in now.changed)
        raise DatabaseRefused(
            f"Applied migrations differ from those of this program: {names}.",
            "Run the program that made this database, or restore a backup that this version made.",
        )


def _load(step: Step) -> ModuleType:
    return import_module(f"{__package__}.v{step.version:04d}_{step.name}")


def _operations(conn: Connection) -> object:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    return Operations(MigrationContext.configure(conn))
