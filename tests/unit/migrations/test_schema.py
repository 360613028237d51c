"""The migrated schema is the one that the stores declare."""

import importlib
import pkgutil
import re
from pathlib import Path

from sqlalchemy import Connection, create_engine

import secureconnect.features
from secureconnect.infra.database.base import METADATA
from secureconnect.infra.database.sqlite import open_sqlite
from secureconnect.migrations import runner


def load_stores() -> None:
    """Import every module that declares tables."""
    importlib.import_module("secureconnect.infra.timeline.tables")
    for name in ("decided_heads", "intents"):
        importlib.import_module(f"secureconnect.infra.timeline.{name}")
    importlib.import_module("secureconnect.infra.outbox.tables")
    importlib.import_module("secureconnect.edge.http.idempotency")
    for module in pkgutil.walk_packages(secureconnect.features.__path__, "secureconnect.features."):
        if module.name.rpartition(".")[2] == "store":
            importlib.import_module(module.name)


def described(conn: Connection, table: str) -> dict[str, object]:
    """Everything that SQLite knows about a table, in a form that can be compared."""

    def rows(sql: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in conn.exec_driver_sql(sql)]

    indexes = rows(f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = '{table}'")
    (own,) = rows(f"SELECT sql FROM sqlite_master WHERE type = 'table' AND name = '{table}'")
    return {
        # cid aside: name, type, not null, default, place in the primary key
        "columns": {row[1:] for row in rows(f"PRAGMA table_info({table})")},
        "indexes": {name: re.sub(r"\s+", " ", str(sql)) for name, sql in indexes if sql is not None},
        "references": {row[2:] for row in rows(f"PRAGMA foreign_key_list({table})")},
        "without rowid": "WITHOUT ROWID" in str(own[0]),
    }


async def test_migrations_make_the_declared_tables(tmp_path: Path) -> None:
    """Tables that nobody declared yet are not compared."""
    load_stores()
    assert {"messages", "timeline_events", "timeline_heads", "send_dedup"} <= METADATA.tables.keys()
    engine = create_engine(f"sqlite:///{tmp_path / 'declared.db'}")
    with engine.begin() as conn:
        METADATA.create_all(conn)
        declared = {table: described(conn, table) for table in METADATA.tables}
    engine.dispose()

    database = open_sqlite(tmp_path / "migrated.db")
    await database.write(lambda tx: runner.upgrade(tx.conn))
    migrated = await database.read(lambda conn: {table: described(conn, table) for table in METADATA.tables})
    await database.close()
    assert migrated == declared
