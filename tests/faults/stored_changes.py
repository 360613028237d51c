"""What a database says about changed messages, and whether its tables agree with each other and with the
log (docs/reference/data.md §6, I4 and I7)."""

from collections import Counter, defaultdict
from typing import Any

import msgspec

from tests.scenarios.tables import Tables

__all__ = ["Changed"]

_QUERIES = (
    "SELECT * FROM messages",
    "SELECT * FROM message_versions ORDER BY version",
    "SELECT * FROM message_reactions",
    "SELECT * FROM message_attachments",
    "SELECT * FROM file_grants",
    "SELECT message_id FROM pins",
    "SELECT * FROM polls",
    "SELECT * FROM poll_options",
    "SELECT * FROM poll_votes",
    "SELECT * FROM thread_index",
    "SELECT * FROM timeline_events ORDER BY conversation_id, seq",
)


class Changed:
    """Messages with everything that belongs to them, as one snapshot, and the events about them in order.

    The server of `tables` may be running.
    """

    def __init__(self, tables: Tables) -> None:
        (
            messages,
            versions,
            reactions,
            attachments,
            grants,
            pins,
            polls,
            options,
            votes,
            threads,
            events,
        ) = tables.records(*_QUERIES)
        self.messages = {row["message_id"]: row for row in messages}
        self.versions = _grouped(versions, "message_id")
        self.reactions = _grouped(reactions, "message_id")
        self.attachments = _grouped(attachments, "message_id")
        self.grants = _grouped(grants, "message_id")
        self.pins = {row["message_id"] for row in pins}
        self.polls = {row["poll_id"]: row for row in polls}
        self.options = _grouped(options, "poll_id")
        self.votes = _grouped(votes, "poll_id")
        self.threads = _grouped(threads, "thread_root_id")
        self.events = [
            (row["kind"], row["target_id"] or row["event_id"], row["actor_id"], _data(row["data"]))
            for row in events
        ]

    def check(self) -> None:
        """Counts are what is counted, nothing is left of what was deleted, and events lead to the rows."""
        for message_id, row in self.messages.items():
            counts = (row["reaction_count"], row["attachment_count"])
            assert counts == (len(self.reactions[message_id]), len(self.attachments[message_id])), row
            live = [reply for reply in self.threads[message_id] if self._live(reply["message_id"])]
            assert row["reply_count"] == len(live)
            assert bool(row["pinned"]) == (message_id in self.pins)
            versions = [version["version"] for version in self.versions[message_id]]
            if row["deleted_at"] is None:
                assert versions == list(range(1, row["edit_count"] + 1))
            else:
                assert (row["content"], versions) == ("", [])
                assert message_id not in self.polls
            attached = {file["file_id"] for file in self.attachments[message_id] if file["available"]}
            assert {grant["file_id"] for grant in self.grants[message_id]} == attached
        assert self.pins <= self.messages.keys()
        self._check_polls()
        self._check_events()

    def _live(self, message_id: str) -> bool:
        return self.messages[message_id]["deleted_at"] is None

    def _check_polls(self) -> None:
        for poll_id, poll in self.polls.items():
            votes, voters = self.votes[poll_id], {vote["user_id"] for vote in self.votes[poll_id]}
            counted = Counter(vote["option_id"] for vote in votes)
            for option in self.options[poll_id]:
                assert option["vote_count"] == counted[option["option_id"]]
            assert (poll["total_votes"], poll["total_voters"]) == (len(votes), len(voters))
            assert poll["poll_type"] == "multi" or len(votes) == len(voters)

    def _check_events(self) -> None:
        """Whoever follows the log comes to the same reactions, pins, edits and votes."""
        reactions: dict[str, set[tuple[str, str]]] = defaultdict(set)
        pinned: set[str] = set()
        edits: Counter[str] = Counter()
        votes: dict[tuple[str, str], list[str]] = {}
        for kind, message_id, actor_id, data in self.events:
            match kind:
                case "message_edited":
                    edits[message_id] += 1
                case "message_deleted":
                    gone = data["message_id"]
                    assert self.messages[gone]["deleted_at"] is not None
                    reactions.pop(gone, None)
                    pinned.discard(gone)
                case "reaction_added":
                    place = data["user_id"], data["emoji"]
                    assert place not in reactions[data["message_id"]], "added twice"
                    reactions[data["message_id"]].add(place)
                case "reaction_removed":
                    reactions[data["message_id"]].remove((data["user_id"], data["emoji"]))
                case "message_pinned":
                    assert data["message_id"] not in pinned, "pinned twice"
                    pinned.add(data["message_id"])
                case "message_unpinned":
                    pinned.remove(data["message_id"])
                case "poll_voted":
                    votes[data["poll_id"], actor_id] = data["option_ids"]
                    assert sum(option["vote_count"] for option in data["options"]) == data["total_votes"]
        assert pinned == self.pins
        for message_id, row in self.messages.items():
            stored = {(one["user_id"], one["emoji"]) for one in self.reactions[message_id]}
            assert reactions.get(message_id, set()) == stored
            if row["deleted_at"] is None:
                assert row["edit_count"] == edits[message_id]
        for (poll_id, user_id), chosen in votes.items():
            if poll_id in self.polls:
                mine = {vote["option_id"] for vote in self.votes[poll_id] if vote["user_id"] == user_id}
                assert set(chosen) == mine

    def said(self, message_id: str) -> list[str]:
        """Everything that the message says and said."""
        return [
            *(version["content"] for version in self.versions[message_id]),
            self.messages[message_id]["content"],
        ]


def _grouped(rows: list[dict[str, Any]], key: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row[key]].append(row)
    return found


def _data(data: bytes) -> dict[str, Any]:
    return msgspec.json.decode(data, type=dict[str, Any]) if data else {}
