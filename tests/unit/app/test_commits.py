"""Several listeners to one timeline."""

from collections.abc import Sequence

from secureconnect.app.commits import tell_each
from secureconnect.infra.timeline.base import StoredEvent
from secureconnect.kit.ids import new_id, new_time_id


def test_each_is_told_whatever_happens_to_the_others() -> None:
    told: list[tuple[str, int]] = []

    def first(events: Sequence[StoredEvent]) -> None:
        told.append(("first", len(events)))

    def broken(events: Sequence[StoredEvent]) -> None:
        raise ValueError

    def last(events: Sequence[StoredEvent]) -> None:
        told.append(("last", len(events)))

    event = StoredEvent(new_id(), 1, new_time_id(), "conversation_created", None, 1, b"{}")
    tell_each(first, broken, last)([event, event])
    assert told == [("first", 2), ("last", 2)]
