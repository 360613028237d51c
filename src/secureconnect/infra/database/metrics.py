"""What a Database adapter tells about itself, and how statements are timed.

Nothing is measured unless somebody asks: without `DatabaseMetrics` no listener is installed.
"""

import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.exc import IntegrityError

__all__ = ["Connections", "DatabaseMetrics", "ServerMetrics", "observe_statements"]


class Connections(NamedTuple):
    """How many relational connections are in use, idle, and allowed."""

    active: int
    idle: int
    limit: int


class DatabaseMetrics(Protocol):
    """Where measurements go. Methods are called from several threads and must return at once."""

    def query(self, operation: str, table: str, seconds: float) -> None:
        """One statement of a store: `select|insert|update|delete|other`. Hot-path statements
        (`WriteTx.run`) are not timed one by one; the timeline measures whole appends."""

    def query_failed(self, operation: str, kind: str) -> None:
        """A statement was refused: `serialization|constraint|timeout|connection|other`. A commit counts as
        `other`."""

    def acquired(self, seconds: float) -> None:
        """How long a unit of work waited for its connection."""

    def acquire_timed_out(self) -> None:
        """A unit of work was given up because no connection came free in time."""

    def committed(self, works: int, seconds: float) -> None:
        """One commit of `works` units of work, synced; `seconds` is the commit alone."""


class ServerMetrics(DatabaseMetrics, Protocol):
    """What there is to tell about a server besides."""

    def retried(self) -> None:
        """A unit of work runs again because somebody else was in its way."""

    def pool_shed(self) -> None:
        """A request was refused because too many connections are in use."""

    def breaker(self, dependency: str, state: int) -> None:
        """Whether the store is asked at all: 0 yes, 1 it is being tried, 2 no."""


_OPERATIONS = frozenset({"select", "insert", "update", "delete"})
_LABEL = re.compile(r"\s*(\w+)(?:.*?\b(?:from|into|update|table)\s+[\"'`]?(\w+))?", re.IGNORECASE | re.DOTALL)
_MAX_LABELS = 2048
_labels: dict[str, tuple[str, str]] = {}


def _label(sql: str) -> tuple[str, str]:
    """Operation and table of a statement, remembered by its text; both come from the product's own SQL."""
    found = _labels.get(sql)
    if found is None:
        match = _LABEL.match(sql)
        word, table = (match.group(1).lower(), match.group(2)) if match else ("other", None)
        if word == "update" and match:
            table = sql.split(None, 2)[1].strip("\"'`")
        found = (word if word in _OPERATIONS else "other", (table or "none").lower())
        if len(_labels) < _MAX_LABELS:
            _labels[sql] = found
    return found


def _kind(error: BaseException) -> str:
    return "timeout" if "interrupted" in str(error) else "other"


def observe_statements(
    engine: Engine, metrics: DatabaseMetrics, kind_of: Callable[[BaseException], str] = _kind
) -> None:
    """Report every statement that runs through `engine` to `metrics`; `kind_of` knows the driver's errors."""
    clock = time.perf_counter

    def started(_conn: Connection, _cursor: Any, _sql: str, _params: Any, context: Any, _many: bool) -> None:
        context.started_at = clock()

    def ended(_conn: Connection, _cursor: Any, sql: str, _params: Any, context: Any, _many: bool) -> None:
        operation, table = _label(sql)
        metrics.query(operation, table, clock() - context.started_at)

    def failed(context: ExceptionContext) -> None:
        operation, _ = _label(context.statement or "")
        constraint = isinstance(context.sqlalchemy_exception, IntegrityError)
        metrics.query_failed(operation, "constraint" if constraint else kind_of(context.original_exception))

    event.listen(engine, "before_cursor_execute", started)
    event.listen(engine, "after_cursor_execute", ended)
    event.listen(engine, "handle_error", failed)
