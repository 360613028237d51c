"""What `bench` notices."""

from typing import Any

import pytest

from secureconnect.app.load.promises import Ledger, Verdict

MEMBERS = {"c": ("ann", "ben")}


def event(seq: int, event_id: str | None = None) -> dict[str, Any]:
    return {"conversation_id": "c", "seq": seq, "event_id": event_id or f"e{seq}"}


def run(ann: list[dict[str, Any]], ben: list[dict[str, Any]]) -> Verdict:
    ledger = Ledger()
    for seq in (2, 3):
        ledger.acknowledged("c", seq, f"e{seq}")
    for reader, events in (("ann", ann), ("ben", ben)):
        for each in events:
            ledger.delivered(reader, each)
    return ledger.verdict(MEMBERS)


def test_what_is_whole_is_kept() -> None:
    verdict = run([event(2), event(3)], [event(1), event(2), event(3), event(4)])
    assert (verdict.kept, verdict) == (True, Verdict(0, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("ben", "verdict"),
    [
        ([event(2)], Verdict(0, 0, 0, 1, 0)),
        ([], Verdict(0, 0, 0, 2, 0)),
        ([event(2), event(2), event(3)], Verdict(0, 1, 0, 0, 0)),
        ([event(1), event(3), event(2)], Verdict(1, 0, 1, 0, 0)),
        ([event(2), event(3), event(5)], Verdict(1, 0, 0, 0, 0)),
        ([event(2), event(3, "other")], Verdict(0, 0, 0, 0, 1)),
    ],
)
def test_what_is_broken_is_told(ben: list[dict[str, Any]], verdict: Verdict) -> None:
    found = run([event(2), event(3)], ben)
    assert (found.kept, found) == (False, verdict)


def test_two_messages_acknowledged_at_one_place_are_told() -> None:
    ledger = Ledger()
    ledger.acknowledged("c", 2, "e2")
    ledger.acknowledged("c", 2, "e9")
    assert ledger.verdict({"c": ()}).different == 1
