"""What does not come back to life with a restored store."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, insert, select

from secureconnect.app.backup.settle import settle
from secureconnect.features.files.store.tables import files, storage_usage
from secureconnect.features.sessions.store import one_time_tokens, sessions
from secureconnect.features.users.store.tables import users
from secureconnect.infra.database.sqlite import open_sqlite
from secureconnect.infra.outbox.tables import outbox
from secureconnect.migrations import runner

NOW = 1_000_000


def add(conn: Connection, table: Table, **given: Any) -> None:
    """A row with `given`, and with something in every other column that needs it."""
    values = dict(given)
    for column in table.columns:
        if column.name not in values and not column.nullable and column.server_default is None:
            kind = column.type.python_type
            values[column.name] = b"" if kind is bytes else kind()
    conn.execute(insert(table).values(values))


def fill(conn: Connection) -> None:
    add(conn, users, user_id="u", email="u", username="u")
    add(conn, sessions, session_id="live", user_id="u")
    add(conn, sessions, session_id="ended", user_id="u", revoked_at=5, revoke_reason="logout")
    add(conn, one_time_tokens, token_hash=b"x", purpose="password_reset")
    add(conn, files, file_id="half", owner_id="u", status="uploading", upload_id="9", object_key="a")
    add(conn, files, file_id="whole", owner_id="u", status="completed", object_key="b")
    add(conn, storage_usage, user_id="u", completed_bytes=7, pending_bytes=5, pending_count=1)
    add(conn, outbox, job_id="leased", kind="mail", state="pending", lease_until=NOW * 2, next_at=NOW * 2)


@pytest.mark.parametrize("keep", [False, True])
async def test_who_held_something_is_not_there_any_more(tmp_path: Path, keep: bool) -> None:
    database = open_sqlite(tmp_path / "test.db")
    await database.write(lambda tx: runner.upgrade(tx.conn) and None)
    await database.write(lambda tx: fill(tx.conn))
    done = await database.write(lambda tx: settle(tx.conn, NOW, keep_sessions=keep))
    assert done == {
        **({} if keep else {"sessions_revoked": 1}),
        "one_time_tokens_dropped": 1,
        "uploads_failed": 1,
        "calls_abandoned": 0,
        "jobs_released": 1,
    }

    def look(conn: Connection) -> None:
        reasons = dict(map(tuple, conn.execute(select(sessions.c.session_id, sessions.c.revoke_reason))))
        assert reasons == {"live": None if keep else "restore", "ended": "logout"}
        states = dict(map(tuple, conn.execute(select(files.c.file_id, files.c.status))))
        assert states == {"half": "failed", "whole": "completed"}
        (usage,) = conn.execute(select(storage_usage.c.completed_bytes, storage_usage.c.pending_bytes))
        assert tuple(usage) == (7, 0)
        assert conn.execute(select(outbox.c.next_at)).scalar() == NOW

    await database.read(look)
    await database.close()
