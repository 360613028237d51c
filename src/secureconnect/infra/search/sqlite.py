"""The SearchIndex of the embedded profile: FTS5 in a SQLite file of its own.

Its own file, because the writer of the main one is what every sender waits for, because the index need not
be synced to disk, and because it may be thrown away and made again.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec
from sqlalchemy import Connection

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.search import sqlite_put
from secureconnect.infra.search.base import Document, Found, Place, Progress, Query
from secureconnect.infra.search.sqlite_find import find
from secureconnect.infra.search.sqlite_schema import VERSION, create

__all__ = ["SqliteSearchIndex"]

_CONVERSATIONS = (
    "SELECT json_group_object(conversation_id, first_seq) FROM (SELECT conversation_id, first_seq"
    " FROM search_conversations WHERE conversation_id > ? ORDER BY conversation_id LIMIT ?)"
)
# Leaf pages with a first term, by segment: near enough to the sizes of the segments.
_SEGMENTS = "SELECT count(*) FROM search_words_idx GROUP BY segid ORDER BY 1 DESC"
_MERGED_PAGES = 1000  # some 4 MiB per step
_MERGE = "INSERT INTO search_words (search_words, rank) VALUES ('merge', ?)"

_progress = msgspec.json.Decoder(dict[str, int])


class SqliteSearchIndex:
    """A `SearchIndex` on a `Database` that holds nothing else. Searches take 0.1 ms of a reader and more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def progress(self) -> Progress | None:
        return await self._database.read(_read_progress)

    async def begin(self, progress: Progress) -> None:
        def begin(tx: WriteTx) -> None:
            create(tx)
            tx.run("INSERT INTO search_progress VALUES (1, ?, ?)", (progress.upto, progress.older_than))

        await self._database.write(begin)

    async def put(self, documents: Sequence[Document], gone: Collection[Place], *, upto: int) -> None:
        def write(tx: WriteTx) -> None:
            sqlite_put.drop(tx, gone)
            sqlite_put.put(tx, documents)
            sqlite_put.set_upto(tx, upto)

        await self._database.write(write)

    async def put_older(self, documents: Sequence[Document], *, older_than: str | None) -> None:
        def write(tx: WriteTx) -> None:
            sqlite_put.put_older(tx, documents)
            sqlite_put.set_older_than(tx, older_than)

        await self._database.write(write)

    async def find(
        self, query: Query, within: Mapping[str, int], *, below: int | None = None, limit: int
    ) -> Found:
        return await self._database.read(lambda conn: find(conn, query, within, below, limit))

    async def conversations(self, *, after: str | None, limit: int) -> dict[str, int]:
        def read(conn: Connection) -> dict[str, int]:
            found = conn.exec_driver_sql(_CONVERSATIONS, (after or "", limit)).scalar_one()
            return dict(sorted(_progress.decode(found).items()))

        return await self._database.read(read)

    async def forget(self, conversation_id: str, before_seq: int | None, limit: int) -> int:
        return await self._database.write(
            lambda tx: sqlite_put.forget(tx, conversation_id, before_seq, limit)
        )

    async def tidy(self) -> int:
        """Merge segments: those of one size, and all of them when a fifth is new.

        A term is looked up in each segment. One segment makes a search in a thousand conversations seven
        times faster than a dozen; each entry is written a few times more for that.
        """
        return await self._database.write(_merge)

    async def expunge(self) -> int:
        return await self._database.write(_merge_all)


def _read_progress(conn: Connection) -> Progress | None:
    if conn.exec_driver_sql("PRAGMA user_version").scalar_one() != VERSION:
        return None
    row = conn.exec_driver_sql("SELECT upto, older_than FROM search_progress").one()
    return Progress(row[0], row[1])


def _merge(tx: WriteTx) -> int:
    sizes = [row[0] for row in tx.run(_SEGMENTS)]
    if len(sizes) < 2:
        return 0
    ((before,),) = tx.run("SELECT total_changes()")
    tx.run(_MERGE, (_MERGED_PAGES,))
    ((after,),) = tx.run("SELECT total_changes()")
    if after - before < 2:  # https://www.sqlite.org/fts5.html#the_merge_command: nothing was done
        if 4 * sum(sizes[1:]) < sizes[0]:
            return 0
        tx.run(_MERGE, (-_MERGED_PAGES,))  # a negative number merges all, whatever their size
    return _MERGED_PAGES


def _merge_all(tx: WriteTx) -> int:
    """A term that no document has any more goes where all segments become one."""
    if len(tx.run(_SEGMENTS)) < 2:
        return 0
    ((before,),) = tx.run("SELECT total_changes()")
    tx.run(_MERGE, (-_MERGED_PAGES,))
    ((after,),) = tx.run("SELECT total_changes()")
    return _MERGED_PAGES if after - before >= 2 else 0
