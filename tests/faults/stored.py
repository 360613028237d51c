"""What a database holds, and whether it is consistent (docs/reference/data.md §6, I1 to I6 and I11)."""

from collections import Counter
from typing import Any, NamedTuple

import msgspec

from tests.scenarios.tables import Tables

__all__ = ["Stored", "check_log", "check_membership", "read_stored"]

Place = tuple[str, int]  # conversation, seq
Seat = tuple[str, str]  # conversation, user


class EventRow(NamedTuple):
    event_id: str
    kind: str
    data: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """The event's own data; messages have theirs in another table."""
        return msgspec.json.decode(self.data, type=dict[str, Any]) if self.data else {}


class Stored(NamedTuple):
    """The rows of a database, as one snapshot."""

    heads: list[tuple[str, int, int, int]]  # conversation, first, last, count of messages
    events: dict[Place, EventRow]
    messages: list[tuple[str, int, str, str, str | None]]  # conversation, seq, id, sender, client_message_id
    remembered: list[tuple[str, str, str, str, int]]  # conversation, sender, client_message_id, id, seq
    members: dict[Seat, dict[str, Any]]
    removed: dict[Seat, int]
    conversations: dict[str, dict[str, Any]]


_QUERIES = (
    "SELECT conversation_id, first_seq, last_seq, message_count FROM timeline_heads",
    "SELECT conversation_id, seq, event_id, kind, data FROM timeline_events",
    "SELECT conversation_id, seq, message_id, sender_id, client_message_id FROM messages",
    "SELECT conversation_id, sender_id, client_message_id, message_id, seq FROM send_dedup",
    "SELECT * FROM conversation_participants",
    "SELECT conversation_id, user_id, removed_seq FROM removed_members",
    "SELECT * FROM conversations",
)


def read_stored(tables: Tables) -> Stored:
    """Read a store, whose server may be running, and check that its engine finds no damage in it."""
    assert tables.damage() is None
    heads, events, messages, remembered, members, removed, conversations = tables.records(*_QUERIES)
    return Stored(
        [tuple(row.values()) for row in heads],
        {(row["conversation_id"], row["seq"]): EventRow(*[*row.values()][2:]) for row in events},
        [tuple(row.values()) for row in messages],
        [tuple(row.values()) for row in remembered],
        {(row["conversation_id"], row["user_id"]): row for row in members},
        {(row["conversation_id"], row["user_id"]): row["removed_seq"] for row in removed},
        {row["conversation_id"]: row for row in conversations},
    )


def check_log(stored: Stored) -> None:
    """I1: no gap. I3: a message for every message_created or poll_created, and the other way round. G4: no
    duplicates."""
    by_conversation: dict[str, list[int]] = {}
    for conversation_id, seq in stored.events:
        by_conversation.setdefault(conversation_id, []).append(seq)
    assert by_conversation.keys() <= {head[0] for head in stored.heads}
    for conversation_id, first, last, _ in stored.heads:
        assert first == 1
        assert sorted(by_conversation.get(conversation_id, [])) == list(range(1, last + 1))
    assert len({row.event_id for row in stored.events.values()}) == len(stored.events)

    kinds = {"message_created", "poll_created"}
    created = {place: row.event_id for place, row in stored.events.items() if row.kind in kinds}
    assert {(row[0], row[1]): row[2] for row in stored.messages} == created
    counts = Counter(row[0] for row in stored.messages)
    assert {head[0]: head[3] for head in stored.heads} == {head[0]: counts[head[0]] for head in stored.heads}

    keyed = [row for row in stored.messages if row[4] is not None]
    keys = [(row[0], row[3], row[4]) for row in keyed]
    assert len(set(keys)) == len(keys)
    assert sorted((row[0], row[3], row[4], row[2], row[1]) for row in keyed) == sorted(stored.remembered)


class _Fold:
    """What the events of one conversation say about its members."""

    def __init__(self) -> None:
        self.joined: dict[str, int] = {}
        self.roles: dict[str, str] = {}
        self.removed: dict[str, int] = {}
        self.owner: str | None = None

    def add(self, user_id: str, seq: int, role: str) -> None:
        assert user_id not in self.joined, "added twice"
        self.joined[user_id], self.roles[user_id] = seq, role
        self.removed.pop(user_id, None)

    def apply(self, seq: int, row: EventRow) -> None:
        data = row.fields
        if row.kind == "conversation_created":
            assert seq == 1
            self.owner = data["conversation"]["owner_id"]
            for user_id in data["members"]:
                self.add(user_id, seq, "admin" if user_id == self.owner else "member")
        elif row.kind == "member_added":
            self.add(data["user_id"], seq, data["role"])
        elif row.kind == "member_removed":
            del self.joined[data["user_id"]], self.roles[data["user_id"]]
            self.removed[data["user_id"]] = seq
        elif row.kind == "member_role_changed":
            assert data["user_id"] in self.roles, "a role without membership"
            self.roles[data["user_id"]] = data["role"]
            self.owner = data["owner_id"]


def check_membership(stored: Stored) -> None:
    """I4 and I6: rows are what the events say. I5: owners and pairs. I11: marks within the log."""
    folds = {conversation_id: _Fold() for conversation_id in stored.conversations}
    for (conversation_id, seq), row in sorted(stored.events.items()):
        folds[conversation_id].apply(seq, row)
    lasts = {head[0]: head[2] for head in stored.heads}
    assert lasts.keys() == folds.keys()
    pairs = []
    for conversation_id, fold in folds.items():
        record = stored.conversations[conversation_id]
        members = {user: row for (name, user), row in stored.members.items() if name == conversation_id}
        removed = {user: seq for (name, user), seq in stored.removed.items() if name == conversation_id}
        assert {user: row["joined_seq"] for user, row in members.items()} == fold.joined
        assert removed == fold.removed
        assert record["member_count"] == len(members)
        assert record["owner_id"] == fold.owner
        if record["type"] == "direct":
            assert len(members) == 2
            assert fold.owner is None
            assert record["direct_key"] is not None
            pairs.append(tuple(sorted(members)))
        elif members:
            assert {user: row["role"] for user, row in members.items()} == fold.roles
            assert fold.owner is not None
            assert fold.roles[fold.owner] == "admin"
        for seat in members.values():
            assert 0 <= seat["last_read_seq"] <= seat["last_delivered_seq"] <= lasts[conversation_id]
    assert len(set(pairs)) == len(pairs)
