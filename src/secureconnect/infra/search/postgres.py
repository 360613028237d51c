"""The SearchIndex in the relational store of a server, PostgreSQL or CockroachDB.

A message is one row, and everything that a search can ask for is a lexeme of its vector: the words as
`kit.words` has them, not as a dictionary of the server would, and facets for its conversation, its sender,
its type, what it has. Facets begin with a sign that no word can hold. An inverted index answers all of it at
once; where nothing but conversations is asked for, each of them is walked from its newest message down.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.search.base import Document, Found, Hit, Place, Progress, Query
from secureconnect.kit.words import terms

__all__ = ["PostgresSearchIndex"]

#: Raised with every change of facets, or of what a word is: an index of another version counts as empty.
VERSION: Final = 1

_LEAD = "-"
# Hardly a message is of another type.
_USUAL = (None, "text")
#: Servers refuse longer lexemes; what begins the same is told apart by the message itself.
_LONGEST = 200
_NAMED = 256  # conversations that the vectors are asked for; more are looked up afterwards
_HIGHEST, _LOWEST = 2**62, -(2**62)
#: Where positions start. Messages older than the index count down from here.
_FIRST = 1 << 40

_PLACES = "unnest(CAST(? AS VARCHAR[]), CAST(? AS BIGINT[])) AS p(conversation_id, seq)"
_ROWS = (
    "unnest(CAST(? AS BIGINT[]), CAST(? AS VARCHAR[]), CAST(? AS VARCHAR[]), CAST(? AS BIGINT[]),"
    " CAST(? AS BIGINT[]), CAST(? AS TEXT[]))"
    " AS r(position, message_id, conversation_id, seq, sent_at, words)"
)
_INSERT = (
    "INSERT INTO search_documents (position, message_id, conversation_id, seq, sent_at, words)"  # noqa: S608 - names of our own
    f" SELECT position, message_id, conversation_id, seq, sent_at, CAST(words AS TSVECTOR) FROM {_ROWS}"
    " ON CONFLICT (conversation_id, seq)"
)
_REPLACE = (
    f"{_INSERT} DO UPDATE SET message_id = excluded.message_id, sent_at = excluded.sent_at,"
    " words = excluded.words"
)
_KEEP = f"{_INSERT} DO NOTHING"
_CONVERSATIONS = (
    "INSERT INTO search_conversations (conversation_id, first_seq)"
    " SELECT id, 1 FROM unnest(CAST(? AS VARCHAR[])) AS c(id) ON CONFLICT (conversation_id) DO NOTHING"
)
_DROP = (
    f"DELETE FROM search_documents AS d USING {_PLACES}"  # noqa: S608
    " WHERE d.conversation_id = p.conversation_id AND d.seq = p.seq"
)
_FORGET = (
    "DELETE FROM search_documents WHERE position IN (SELECT position FROM search_documents"
    " WHERE conversation_id = ? AND seq < ? ORDER BY seq LIMIT ?) RETURNING seq"
)
_UPTO = "UPDATE search_progress SET upto = GREATEST(upto, ?)"
_VISIBLE = "unnest(CAST($1 AS VARCHAR[]), CAST($2 AS BIGINT[])) AS v(conversation_id, from_seq)"
_BETWEEN = "d.position < $3 AND d.sent_at >= $4 AND d.sent_at < $5"
_MATCHING = (
    f"SELECT d.position, d.message_id, d.conversation_id, d.seq FROM search_documents AS d JOIN {_VISIBLE}"  # noqa: S608
    " ON v.conversation_id = d.conversation_id AND d.seq >= v.from_seq"
    f" WHERE {_BETWEEN} AND d.words @@ CAST(CAST($7 AS TEXT) AS TSQUERY) ORDER BY d.position DESC LIMIT $6"
)
_EVERY = (
    f"SELECT h.position, h.message_id, h.conversation_id, h.seq FROM {_VISIBLE} CROSS JOIN LATERAL"  # noqa: S608
    " (SELECT d.position, d.message_id, d.conversation_id, d.seq FROM search_documents AS d"
    f" WHERE d.conversation_id = v.conversation_id AND d.seq >= v.from_seq AND {_BETWEEN}"
    " ORDER BY d.position DESC LIMIT $6) AS h ORDER BY h.position DESC LIMIT $6"
)


class PostgresSearchIndex:
    """A `SearchIndex` in tables that the migrations made. Several processes may feed it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def progress(self) -> Progress | None:
        def read(conn: Connection) -> Progress | None:
            query = "SELECT upto, older_than FROM search_progress WHERE version = $1"
            row = conn.exec_driver_sql(query, (VERSION,)).first()
            return Progress(row[0], row[1]) if row is not None else None

        return await self._database.read(read)

    async def begin(self, progress: Progress) -> None:
        def begin(tx: WriteTx) -> None:
            for table in ("search_documents", "search_conversations", "search_progress"):
                tx.run(f"DELETE FROM {table}")  # noqa: S608 - names of our own
            tx.run(
                "INSERT INTO search_progress (version, upto, older_than) VALUES (?, ?, ?)",
                (VERSION, progress.upto, progress.older_than),
            )

        await self._database.write(begin)

    async def put(self, documents: Sequence[Document], gone: Collection[Place], *, upto: int) -> None:
        rows = _latest(documents)

        def write(tx: WriteTx) -> None:
            if gone:
                tx.run(_DROP, ([place.conversation_id for place in gone], [place.seq for place in gone]))
            if rows:
                newest = tx.run("SELECT max(position) FROM search_documents")[0][0]
                _add(tx, _REPLACE, rows, (newest or _FIRST - 1) + 1)
            tx.run(_UPTO, (upto,))

        await self._database.write(write)

    async def put_older(self, documents: Sequence[Document], *, older_than: str | None) -> None:
        rows = _latest(documents)[::-1]

        def write(tx: WriteTx) -> None:
            if rows:
                oldest = tx.run("SELECT min(position) FROM search_documents")[0][0]
                _add(tx, _KEEP, rows, (oldest or _FIRST) - len(rows))
            tx.run("UPDATE search_progress SET older_than = ?", (older_than,))

        await self._database.write(write)

    async def find(
        self, query: Query, within: Mapping[str, int], *, below: int | None = None, limit: int
    ) -> Found:
        if not within:
            return Found([], None)
        vector = _vector_query(query, within)
        params: tuple[Any, ...] = (
            list(within),
            list(within.values()),
            _HIGHEST if below is None else below,
            _LOWEST if query.since is None else query.since,
            _HIGHEST if query.until is None else query.until,
            limit,
        )

        def read(conn: Connection) -> list[Hit]:
            statement = _EVERY if vector is None else _MATCHING
            given = params if vector is None else (*params, vector)
            return [Hit(*row) for row in conn.exec_driver_sql(statement, given)]

        hits = await self._database.read(read)
        return Found(hits, hits[-1].position if len(hits) == limit else None)

    async def conversations(self, *, after: str | None, limit: int) -> dict[str, int]:
        def read(conn: Connection) -> dict[str, int]:
            query = (
                "SELECT conversation_id, first_seq FROM search_conversations WHERE conversation_id > $1"
                " ORDER BY conversation_id LIMIT $2"
            )
            return {row[0]: row[1] for row in conn.exec_driver_sql(query, (after or "", limit))}

        return await self._database.read(read)

    async def forget(self, conversation_id: str, before_seq: int | None, limit: int) -> int:
        def write(tx: WriteTx) -> int:
            before = _HIGHEST if before_seq is None else before_seq
            count = len(tx.run(_FORGET, (conversation_id, before, limit)))
            if count < limit and before_seq is None:
                tx.run("DELETE FROM search_conversations WHERE conversation_id = ?", (conversation_id,))
            elif count < limit:
                tx.run(
                    "UPDATE search_conversations SET first_seq = ? WHERE conversation_id = ?",
                    (before, conversation_id),
                )
            return count

        return await self._database.write(write)

    async def tidy(self) -> int:
        """The server keeps its indexes itself."""
        return 0

    async def expunge(self) -> int:
        """What was deleted is gone for every query; its blocks are used again after the server's vacuum."""
        return 0


def _latest(documents: Iterable[Document]) -> list[Document]:
    """One per place, the last word about it, in the order of their first mention."""
    return list({document.place: document for document in documents}.values())


def _add(tx: WriteTx, statement: str, rows: Sequence[Document], first: int) -> None:
    tx.run(_CONVERSATIONS, (sorted({row.conversation_id for row in rows}),))
    tx.run(
        statement,
        (
            [first + at for at in range(len(rows))],
            [row.message_id for row in rows],
            [row.conversation_id for row in rows],
            [row.seq for row in rows],
            [row.sent_at for row in rows],
            [_vector(row) for row in rows],
        ),
    )


def _vector(document: Document) -> str:
    """The lexemes of a message, in the form that servers read; nothing in them needs an escape."""
    found = {term[:_LONGEST] for term in terms(document.text)}
    found.update(_facets(document.sender_id, document.message_type, document.has))
    found.add(_conversation(document.conversation_id))
    return " ".join(f"'{lexeme}'" for lexeme in sorted(found))


def _vector_query(query: Query, within: Mapping[str, int]) -> str | None:
    """What the vectors are asked for; None when it is nothing but conversations."""
    wanted = [f"'{prefix[:_LONGEST]}':*" for prefix in query.wanted.prefixes]
    wanted += [f"'{pair}'" for pair in query.wanted.pairs]
    wanted += [f"'{facet}'" for facet in _facets(query.sender_id, query.message_type, query.has)]
    if not wanted:
        return None
    if len(within) <= _NAMED:
        names = " | ".join(f"'{_conversation(each)}'" for each in within)
        wanted.append(f"({names})")
    return " & ".join(wanted)


def _facets(sender_id: str | None, message_type: str | None, has: frozenset[str]) -> list[str]:
    found = [f"{_LEAD}h{feature}" for feature in sorted(has)]
    if sender_id is not None:
        found.append(f"{_LEAD}s{sender_id.replace('-', '')}")
    if message_type not in _USUAL:
        found.append(f"{_LEAD}t{message_type}")
    return found


def _conversation(conversation_id: str) -> str:
    return f"{_LEAD}c{conversation_id.replace('-', '')}"
