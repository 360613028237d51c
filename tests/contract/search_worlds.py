"""The search indexes that must pass the suite, and a plain model of what they must find."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from secureconnect.infra.database.postgres import PostgresDatabase
from secureconnect.infra.database.postgres_url import read_url
from secureconnect.infra.database.sqlite import open_sqlite
from secureconnect.infra.search.base import Document, Progress, Query, SearchIndex
from secureconnect.infra.search.postgres import PostgresSearchIndex
from secureconnect.infra.search.sqlite import SqliteSearchIndex
from secureconnect.kit.ids import new_id, new_time_id

from .database_worlds import StartServer, migrated_copy

__all__ = ["INDEXES", "Model", "Opened", "document", "everywhere", "walk"]


class Opened:
    """An index, a check of its inner order, and the terms that lie in it."""

    def __init__(
        self,
        index: SearchIndex,
        sound: Callable[[], Awaitable[None]],
        terms: Callable[[], Awaitable[set[str]]],
    ) -> None:
        self.index = index
        self.sound = sound
        self.terms = terms


@asynccontextmanager
async def _sqlite(directory: Path, _: StartServer | None = None) -> Any:
    database = open_sqlite(directory / "search.db", synced=False)

    async def sound() -> None:
        def check(tx: Any) -> None:
            tx.run("INSERT INTO search_words (search_words) VALUES ('integrity-check')")
            ((documents, texts),) = tx.run(
                "SELECT (SELECT count(*) FROM search_documents), (SELECT count(*) FROM search_texts)"
            )
            assert documents == texts

        await database.write(check)

    async def terms() -> set[str]:
        """What a dump of the file would show: every block of the index, whether it still counts or not."""
        dump = "SELECT block FROM search_words_data UNION ALL SELECT CAST(words AS BLOB) FROM search_texts"

        def read(conn: Any) -> set[str]:
            blocks = b" ".join(row[0] for row in conn.exec_driver_sql(dump))
            return set(re.findall(r"[a-z]{4,}", blocks.decode("latin-1").lower()))

        return await database.read(read)

    yield Opened(SqliteSearchIndex(database), sound, terms)
    await database.close()


@asynccontextmanager
async def _postgres(directory: Path, start: StartServer) -> Any:
    place = directory / "url"  # the same database when the same place is opened again
    if not place.exists():
        place.write_text(await asyncio.to_thread(lambda: migrated_copy(start())))
    url = place.read_text()
    database = PostgresDatabase(read_url(url), pool_min=0, acquire_timeout=30, statement_timeout=60)

    async def sound() -> None:
        """The server answers for its index; no document stands twice or without its conversation."""
        lost = (
            "SELECT count(*) FROM search_documents AS d WHERE NOT EXISTS (SELECT 1 FROM search_conversations"
            " AS c WHERE c.conversation_id = d.conversation_id)"
        )
        assert await database.read(lambda conn: conn.exec_driver_sql(lost).scalar_one()) == 0

    async def terms() -> set[str]:
        def read(conn: Any) -> set[str]:
            rows = conn.exec_driver_sql("SELECT CAST(words AS TEXT) FROM search_documents")
            return {term for row in rows for term in re.findall(r"[a-z]{4,}", row[0])}

        return await database.read(read)

    yield Opened(PostgresSearchIndex(database), sound, terms)
    await database.close()


INDEXES: dict[str, Callable[..., AbstractAsyncContextManager[Opened]]] = {
    "postgres": _postgres,
    "sqlite": _sqlite,
}

START = Progress(0, None)


def document(conversation_id: str, seq: int, text: str, **fields: Any) -> Document:
    """A message."""
    values: dict[str, Any] = {
        "message_id": new_time_id(),
        "sender_id": new_id(),
        "sent_at": 1_700_000_000_000 + seq,
        "message_type": "text",
        "has": frozenset(),
        **fields,
    }
    return Document(conversation_id=conversation_id, seq=seq, text=text, **values)


def everywhere(*conversation_ids: str) -> dict[str, int]:
    """All of these conversations, from their beginning."""
    return dict.fromkeys(conversation_ids, 1)


async def walk(index: SearchIndex, query: Query, within: Mapping[str, int], *, limit: int) -> list[str]:
    """The ids of all hits, page by page."""
    found: list[str] = []
    positions: list[int] = []
    below: int | None = None
    while True:
        page = await index.find(query, within, below=below, limit=limit)
        assert len(page.hits) <= limit
        found += [hit.message_id for hit in page.hits]
        positions += [hit.position for hit in page.hits]
        assert positions == sorted(set(positions), reverse=True)
        if page.rest is None:
            return found
        assert below is None or page.rest < below
        below = page.rest


class Model:
    """Documents from the oldest to the newest."""

    def __init__(self) -> None:
        self.documents: list[Document] = []

    def put(self, *documents: Document) -> None:
        for document in documents:
            places = [one.place for one in self.documents]
            if document.place in places:
                self.documents[places.index(document.place)] = document
            else:
                self.documents.append(document)

    def drop(self, *gone: Document) -> None:
        places = {one.place for one in gone}
        self.documents = [one for one in self.documents if one.place not in places]

    def found(self, query: Query, within: Mapping[str, int]) -> list[str]:
        return [one.message_id for one in reversed(self.documents) if _is_hit(one, query, within)]


def _is_hit(one: Document, query: Query, within: Mapping[str, int]) -> bool:
    return (
        one.seq >= within.get(one.conversation_id, 2**60)
        and query.wanted.found_in(one.text)
        and query.sender_id in (None, one.sender_id)
        and query.message_type in (None, one.message_type)
        and query.has <= one.has
        and (query.since is None or one.sent_at >= query.since)
        and (query.until is None or one.sent_at < query.until)
    )
