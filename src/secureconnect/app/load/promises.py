"""What was promised, and what was kept: every acknowledged message once, in one order, with no gap."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

__all__ = ["Ledger", "Verdict"]


class Verdict(Struct, frozen=True):
    """How many promises were broken, by kind."""

    gaps: int
    duplicates: int
    out_of_order: int
    lost: int
    different: int

    @property
    def kept(self) -> bool:
        return not (self.gaps or self.duplicates or self.out_of_order or self.lost or self.different)


class _Seen:
    """What one reader saw of one conversation."""

    __slots__ = ("events", "last")

    def __init__(self) -> None:
        self.events: dict[int, str] = {}
        self.last = 0


class Ledger:
    """Keeps what senders were told and what readers saw."""

    def __init__(self) -> None:
        self.acked: dict[tuple[str, int], str] = {}
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._gaps = self._duplicates = self._backwards = self._different = 0

    def acknowledged(self, conversation_id: str, seq: int, message_id: str) -> None:
        """A sender was told that its message has this place."""
        known = self.acked.setdefault((conversation_id, seq), message_id)
        self._different += known != message_id

    def delivered(self, reader: str, event: Mapping[str, Any]) -> None:
        """A socket brought an event."""
        conversation_id, seq, event_id = event["conversation_id"], event["seq"], event["event_id"]
        seen = self._seen.setdefault((reader, conversation_id), _Seen())
        if seq in seen.events:
            self._duplicates += 1
            return
        if seq < seen.last:
            self._backwards += 1
        elif seen.last and seq != seen.last + 1:
            self._gaps += 1
        seen.events[seq] = event_id
        seen.last = max(seen.last, seq)

    def missing(self, members: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str, int]]:
        """Reader, conversation and seq of what was acknowledged and did not arrive (yet)."""
        for conversation_id, seq in self.acked:
            for reader in members[conversation_id]:
                seen = self._seen.get((reader, conversation_id))
                if seen is None or seq not in seen.events:
                    yield reader, conversation_id, seq

    def verdict(self, members: Mapping[str, tuple[str, ...]]) -> Verdict:
        """The balance; different readers must have seen the same event in the same place."""
        places: dict[tuple[str, int], str] = {}
        different = self._different
        for (_, conversation_id), seen in self._seen.items():
            for seq, event_id in seen.events.items():
                different += places.setdefault((conversation_id, seq), event_id) != event_id
        lost = sum(1 for _ in self.missing(members))
        return Verdict(self._gaps, self._duplicates, self._backwards, lost, different)
