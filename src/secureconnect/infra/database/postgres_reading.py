"""How units of work that only read run on a server.

Most of them are one query. Alone it sees one snapshot, as it would in a transaction, and costs one round trip
instead of three. Which of them are more is found out the first time.
"""

from collections.abc import Callable
from functools import partial
from types import CodeType
from typing import TypeVar

from sqlalchemy import Connection

from secureconnect.infra.database.postgres_connection import Link, Several

__all__ = ["Reading"]

T = TypeVar("T")


class Reading:
    """The reads of one process; `begin` starts a transaction for them."""

    def __init__(self, begin: str) -> None:
        self._begin = begin
        self._longer: set[CodeType] = set()

    def run(self, link: Link, query: Callable[[Connection], T]) -> T:
        """Run in a greenlet."""
        code = _code_of(query)
        if code is not None and code not in self._longer:
            link.begin_query()
            try:
                return query(link.conn)
            except Several:
                self._longer.add(code)
        link.begin(self._begin)
        result = query(link.conn)
        link.commit()
        return result


def _code_of(query: Callable[..., object]) -> CodeType | None:
    while isinstance(query, partial):
        query = query.func
    return getattr(query, "__code__", None)
