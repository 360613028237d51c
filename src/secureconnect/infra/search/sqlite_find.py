"""Reading the index: one walk from the newest message down, which stops when enough was found.

Which walk depends on how much of everything the user may see. Whoever is in a few conversations asks for
`words AND (this conversation OR that one …)`: the index leaps over everything else. Each conversation asked
for costs 5 to 25 µs, hits or not, so whoever is in many first tries without them: of common words the newest
hits are mostly visible, and of rare ones there are few. Only when that walk grows long the conversations are
named after all, some hundred at a time.

Each step is one statement that gives one row, a JSON array: fetching rows one by one would take the
interpreter's lock as often.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from secureconnect.infra.search.base import Found, Hit, Query
from secureconnect.infra.search.sqlite_schema import conversation_facet, facets_of

__all__ = ["find"]

_DAY = 24 * 3600 * 1000
_FEW = 16  # conversations that are named at once
_CHUNK = 256  # conversations of one statement
_STEP, _LONGEST_STEP = 64, 4096  # rows of the first statement of a walk, and of later ones
_PATIENCE = 20_000  # rows looked at for one page; each takes a microsecond or two
_LOWEST, _HIGHEST = -(2**62), 2**62

_ROWS = (
    "SELECT json_group_array(json_array(d.document_id, c.conversation_id, d.seq, d.sent_at, d.message_id))"
    " FROM ({}) AS s CROSS JOIN search_documents AS d ON d.document_id = s.id"
    " CROSS JOIN search_conversations AS c ON c.number = d.conversation"
)
_MATCHING = _ROWS.format(
    "SELECT rowid AS id FROM search_words WHERE search_words MATCH ? AND rowid BETWEEN ? AND ?"
    " ORDER BY rowid DESC LIMIT ?"
)
_EVERY = _ROWS.format(
    "SELECT document_id AS id FROM search_documents WHERE document_id BETWEEN ? AND ?"
    " ORDER BY document_id DESC LIMIT ?"
)
# Conversations without any document have none.
_NUMBERS = (
    "SELECT json_group_array(number) FROM search_conversations"
    " WHERE conversation_id IN (SELECT value FROM json_each(?))"
)

_Row = tuple[int, str, int, int, str]
_rows = msgspec.json.Decoder(list[_Row])
_numbers = msgspec.json.Decoder(list[int])


class _Walk(NamedTuple):
    """What a walk found; `rest` is None when it came to the end of its range."""

    hits: list[Hit]
    rest: int | None


def find(conn: Connection, query: Query, within: Mapping[str, int], below: int | None, limit: int) -> Found:
    """See `SearchIndex.find`."""
    bounds = _bounds(conn, query, below)
    if not within or bounds is None:
        return Found([], None)
    return _Search(conn, query, within).page(*bounds, limit)


def _bounds(conn: Connection, query: Query, below: int | None) -> tuple[int, int] | None:
    """The lowest and highest id that may match, as far as the days tell; None when nothing can."""
    low, high = _LOWEST, _HIGHEST if below is None else below - 1
    if query.since is not None:
        first = conn.exec_driver_sql(
            "SELECT min(first_id) FROM search_days WHERE day >= ?", (query.since // _DAY,)
        ).scalar_one()
        if first is None:
            return None
        low = first
    if query.until is not None:
        last = conn.exec_driver_sql(
            "SELECT max(last_id) FROM search_days WHERE day <= ?", ((query.until - 1) // _DAY,)
        ).scalar_one()
        if last is None:
            return None
        high = min(high, last)
    return low, high


class _Search:
    """One query over what one user may see, on one snapshot."""

    def __init__(self, conn: Connection, query: Query, within: Mapping[str, int]) -> None:
        self._conn = conn
        self._within = within
        self._since = query.since if query.since is not None else _LOWEST
        self._until = query.until if query.until is not None else _HIGHEST
        self._terms = [
            *(f"{_quoted(prefix)}*" for prefix in query.wanted.prefixes),
            *map(_quoted, query.wanted.pairs),
            *map(_quoted, facets_of(query.sender_id, query.message_type, query.has)),
        ]

    def page(self, low: int, high: int, limit: int) -> Found:
        """The first `limit` hits from `high` down to `low`."""
        hits: list[Hit] = []
        if len(self._within) > _FEW:
            start = self._walk(self._terms, low, high, limit, _STEP)
            if start.rest is None or len(start.hits) == limit:
                return Found(*start)
            hits, high = start.hits, start.rest - 1
            # At two microseconds a row, a tenth of what naming the conversations would take; a third when the
            # page will be full before, at this rate.
            most = len(self._within)
            if limit * _STEP < 4 * most * len(hits):
                most *= 4
            more = self._walk(self._terms, low, high, limit - len(hits), most)
            hits += more.hits
            if more.rest is None or len(hits) == limit:
                return Found(hits, more.rest)
            high = more.rest - 1
        named = self._named(low, high, limit - len(hits))
        return Found(hits + named.hits, named.rest)

    def _named(self, low: int, high: int, limit: int) -> _Walk:
        """The same, leaping from one visible message to the next, some conversations at a time."""
        hits: list[Hit] = []
        rest: int | None = None
        ids = _json(list(self._within))
        numbers = _numbers.decode(self._conn.exec_driver_sql(_NUMBERS, (ids,)).scalar_one())
        for conversations in _chunks(numbers):
            terms = [*self._terms, _any_of(conversations)]
            walk = self._walk(terms, low, high, limit, _PATIENCE, step=limit)  # nearly each row is a hit
            hits = sorted(hits + walk.hits, reverse=True)[:limit]
            if walk.rest is not None:
                rest = walk.rest if rest is None else max(rest, walk.rest)
            if len(hits) == limit:
                low = hits[-1].position  # what lies lower comes on the next page
        if len(hits) == limit:
            rest = hits[-1].position if rest is None else max(rest, hits[-1].position)
        # Where one walk was given up, the others may not go further.
        return _Walk([hit for hit in hits if rest is None or hit.position >= rest], rest)

    def _walk(
        self, terms: Sequence[str], low: int, high: int, limit: int, patience: int, step: int = _STEP
    ) -> _Walk:
        hits: list[Hit] = []
        while True:
            rows = self._scan(terms, low, high, step)
            for row in rows:
                hit = self._hit(*row)
                if hit is not None:
                    hits.append(hit)
                    if len(hits) == limit:
                        return _Walk(hits, hit.position)
            if len(rows) < step:
                return _Walk(hits, None)
            high = rows[-1][0] - 1
            patience -= step
            if patience <= 0:
                return _Walk(hits, rows[-1][0])
            step = min(4 * step, _LONGEST_STEP, patience)

    def _scan(self, terms: Sequence[str], low: int, high: int, count: int) -> list[_Row]:
        params: tuple[Any, ...] = (low, high, count)
        statement = _EVERY
        if terms:
            statement, params = _MATCHING, (" AND ".join(terms), *params)
        rows = _rows.decode(self._conn.exec_driver_sql(statement, params).scalar_one())
        rows.sort(reverse=True)
        return rows

    def _hit(
        self, document_id: int, conversation_id: str, seq: int, sent_at: int, message_id: str
    ) -> Hit | None:
        from_seq = self._within.get(conversation_id)
        if from_seq is None or seq < from_seq or not self._since <= sent_at < self._until:
            return None
        return Hit(document_id, message_id, conversation_id, seq)


def _any_of(conversations: Sequence[int]) -> str:
    return f"({' OR '.join(_quoted(conversation_facet(number)) for number in conversations)})"


def _quoted(term: str) -> str:
    """A string of the query language of FTS5: nothing in it is an operator."""
    return '"' + term.replace('"', '""') + '"'


def _chunks(numbers: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(numbers), _CHUNK):
        yield numbers[start : start + _CHUNK]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
