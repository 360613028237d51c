"""Traces: who asked for what, and where its time went (docs/reference/operations.md §6).

Off unless `configure` was called: `start` then gives None, and nothing else is done. A span is current in the
context that it was entered in; what runs in threads of others enters it there again. Names and attributes are
route templates, statement templates and closed words; never ids of people, texts or parameters.
"""

import random
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Literal, TypeVar

from msgspec import Struct

__all__ = [
    "Kind",
    "Parent",
    "Span",
    "Value",
    "carried",
    "configure",
    "current",
    "enabled",
    "finished",
    "parse_traceparent",
    "record",
    "span",
    "start",
    "statement",
    "traceparent",
]

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Value = str | int | bool | float
A = TypeVar("A")
R = TypeVar("R")

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_KEPT: Final = 8192

#: Spans that wait to be exported; the oldest go first when nobody takes them.
finished: deque["Span"] = deque(maxlen=_KEPT)

_ratio: float | None = None
#: Ids have to differ, and need not be secret.
_random = random.Random().randbytes  # noqa: S311
_current: ContextVar["Span | None"] = ContextVar("span", default=None)


class Parent(Struct, frozen=True):
    """What a caller said of its trace: 16 and 8 bytes, and whether it is kept."""

    trace_id: bytes
    span_id: bytes
    sampled: bool


class Span(Struct):
    """One piece of work; times in nanoseconds since the epoch. Not `sampled`: it only carries the ids on."""

    name: str
    kind: Kind
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    sampled: bool
    started: int
    ended: int = 0
    failed: bool = False
    attributes: dict[str, Value] = {}
    links: tuple[tuple[bytes, bytes], ...] = ()

    def end(self) -> None:
        """It is over now."""
        self.ended = time.time_ns()
        if self.sampled:
            finished.append(self)


def configure(ratio: float | None) -> None:
    """Keep this share of the traces that begin here; None switches tracing off."""
    global _ratio  # noqa: PLW0603 - one per process
    _ratio = ratio
    finished.clear()


def enabled() -> bool:
    """Whether anything is traced."""
    return _ratio is not None


def current() -> Span | None:
    """The span that this context works for."""
    return _current.get()


def parse_traceparent(text: str | None) -> Parent | None:
    """The header `traceparent` (W3C Trace Context), or None when it is not one."""
    found = _TRACEPARENT.fullmatch(text) if text is not None else None
    if found is None or set(found[1]) == {"0"} or set(found[2]) == {"0"}:
        return None
    return Parent(bytes.fromhex(found[1]), bytes.fromhex(found[2]), bool(int(found[3], 16) & 1))


def traceparent(of: Span) -> str:
    """The header that lets somebody else go on with this trace."""
    return f"00-{of.trace_id.hex()}-{of.span_id.hex()}-{'01' if of.sampled else '00'}"


def start(
    name: str,
    kind: Kind = "internal",
    parent: Parent | Span | None = None,
    link: Parent | Span | None = None,
) -> Span | None:
    """A span that begins now, below `parent`, else at the root of a trace of its own; None while tracing is
    off. The decision of a parent is kept. `link` is work that this one follows from."""
    if _ratio is None:
        return None
    if parent is None:
        trace_id, parent_id = _random(16), b""
        # The decision belongs to the trace: whoever knows its id comes to the same one.
        sampled = int.from_bytes(trace_id[8:]) < _ratio * 2**64
    else:
        trace_id, parent_id, sampled = parent.trace_id, parent.span_id, parent.sampled
    return Span(
        name,
        kind,
        trace_id,
        _random(8),
        parent_id,
        sampled,
        time.time_ns(),
        attributes={},
        links=((link.trace_id, link.span_id),) if link is not None else (),
    )


@contextmanager
def span(work: Span | None) -> Iterator[None]:
    """Make `work` current for the block, and end it there; nothing when it is None."""
    if work is None:
        yield
        return
    token = _current.set(work)
    try:
        yield
    except BaseException:
        work.failed = True
        raise
    finally:
        _current.reset(token)
        work.end()


def carried(work: Callable[[A], R]) -> Callable[[A], R]:
    """`work`, which somebody else will run, for the span that is current here."""
    here = _current.get()
    if here is None:
        return work

    def run(given: A) -> R:
        token = _current.set(here)
        try:
            return work(given)
        finally:
            _current.reset(token)

    return run


def statement(operation: str, table: str, seconds: float) -> None:
    """A statement of a relational store, as `record` has it; by what it does to which table."""
    if _ratio is not None:
        names = {"db.operation.name": operation, "db.collection.name": table}
        record(f"{operation} {table}", "client", seconds, names)


def record(
    name: str,
    kind: Kind,
    seconds: float,
    attributes: Mapping[str, Value] | None = None,
    *,
    failed: bool = False,
) -> None:
    """A piece of work of the current span that took so long and is over now; nothing without a span."""
    if _ratio is None:
        return
    parent = _current.get()
    if parent is None or not parent.sampled:
        return
    now = time.time_ns()
    finished.append(
        Span(
            name,
            kind,
            parent.trace_id,
            _random(8),
            parent.span_id,
            sampled=True,
            started=now - int(seconds * 1e9),
            ended=now,
            failed=failed,
            attributes=dict(attributes or {}),
        )
    )
