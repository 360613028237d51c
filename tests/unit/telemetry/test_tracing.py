"""Spans: whose they are, which are kept, and that nothing happens while tracing is off."""

from collections.abc import Iterator

import pytest

from secureconnect.infra.telemetry import tracing
from secureconnect.infra.telemetry.tracing import Parent

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(autouse=True)
def _off() -> Iterator[None]:
    yield
    tracing.configure(None)


def test_off_is_off() -> None:
    assert tracing.start("x") is None
    with tracing.span(None):
        tracing.record("y", "client", 0.1)
        tracing.statement("select", "users", 0.1)
    assert not tracing.finished
    assert tracing.current() is None


def test_what_happens_within_a_span_is_below_it() -> None:
    tracing.configure(1)
    work = tracing.start("x", "server", tracing.parse_traceparent(f"00-{TRACE}-{PARENT}-01"))
    assert work is not None
    with tracing.span(work):
        tracing.statement("select", "users", 0.25)
        assert tracing.traceparent(work) == f"00-{TRACE}-{work.span_id.hex()}-01"
    child, root = tracing.finished
    assert (root.trace_id.hex(), root.parent_id.hex(), root.failed) == (TRACE, PARENT, False)
    assert (child.trace_id, child.parent_id, child.name) == (root.trace_id, root.span_id, "select users")
    assert child.ended - child.started == 250_000_000
    assert tracing.current() is None


def test_work_in_another_place_takes_its_span_along() -> None:
    tracing.configure(1)

    def work(number: int) -> int:
        tracing.record("inside", "internal", 0)
        return number + 1

    with tracing.span(tracing.start("x")):
        elsewhere = tracing.carried(work)
    tracing.finished.clear()
    assert elsewhere(1) == 2
    assert [span.name for span in tracing.finished] == ["inside"]
    assert tracing.current() is None
    assert tracing.carried(work) is work


def fail() -> None:
    with tracing.span(tracing.start("x")):
        raise ValueError("a defect")


def test_a_span_that_raises_has_failed() -> None:
    tracing.configure(1)
    with pytest.raises(ValueError, match="a defect"):
        fail()
    assert [span.failed for span in tracing.finished] == [True]


@pytest.mark.parametrize("ratio", [0.0, 1.0])
@pytest.mark.parametrize("sampled", [True, False])
def test_the_decision_of_the_caller_holds(ratio: float, sampled: bool) -> None:
    tracing.configure(ratio)
    work = tracing.start("x", "server", Parent(b"t" * 16, b"s" * 8, sampled))
    with tracing.span(work):
        tracing.record("y", "client", 0.1)
    assert bool(tracing.finished) == sampled


def test_the_share_of_traces_is_kept() -> None:
    tracing.configure(0.25)
    spans = [tracing.start("x") for _ in range(4000)]
    assert 800 < sum(span is not None and span.sampled for span in spans) < 1200


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "00",
        f"01-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-x",
        f"00-{TRACE}-{PARENT}-0g",
    ],
)
def test_what_is_no_traceparent(text: str | None) -> None:
    assert tracing.parse_traceparent(text) is None


def test_spans_that_nobody_takes_are_bounded() -> None:
    tracing.configure(1)
    for _ in range(10_000):
        with tracing.span(tracing.start("x")):
            pass
    assert len(tracing.finished) == tracing.finished.maxlen
