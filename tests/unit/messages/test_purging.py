"""What is kept about messages goes with them, and only with them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select

from secureconnect.features.messages import store
from secureconnect.features.messages.service import MessagePurge
from secureconnect.features.messages.store.tables import hidden_messages, mentions, pins, thread_followers
from secureconnect.infra.database.base import METADATA, WriteTx
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.infra.timeline.base import Trimmed
from secureconnect.kit.ids import new_id

TABLES = (mentions, pins, hidden_messages, thread_followers)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    opened = open_sqlite(tmp_path / "secureconnect.db")
    await opened.write(lambda tx: METADATA.create_all(tx.conn, tables=list(TABLES)))
    yield opened
    await opened.close()


def counts(conn: Connection) -> list[int]:
    return [int(conn.execute(select(func.count()).select_from(table)).scalar_one()) for table in TABLES]


async def test_everything_about_these_messages_goes(database: SqliteDatabase) -> None:
    a, other, user_id = new_id(), new_id(), new_id()
    ids = {(key, seq): new_id() for key in (a, other) for seq in (1, 2, 3)}

    def keep(tx: WriteTx) -> None:
        for (key, seq), message_id in ids.items():
            place = {"conversation_id": key, "user_id": user_id}
            tx.conn.execute(insert(mentions).values(seq=seq, sender_id=None, **place))
            store.pin(tx, key, message_id, user_id, 1)
            store.hide(tx, user_id, key, message_id, 1)
            tx.conn.execute(
                insert(thread_followers).values(
                    thread_root_id=message_id, following=True, last_read_seq=0, **place
                )
            )

    await database.write(keep)
    assert await database.read(counts) == [6, 6, 6, 6]
    trimmed = Trimmed(a, 2, 2, (ids[a, 1], ids[a, 2]), 0, 0)
    await database.write(lambda tx: MessagePurge().purged_in(tx, trimmed))
    assert await database.read(counts) == [4, 4, 4, 4]
    kept = [ids[a, 3], *(ids[other, seq] for seq in (1, 2, 3))]
    found = await database.read(lambda conn: store.hidden_among(conn, user_id, list(ids.values())))
    assert sorted(found) == sorted(kept)
