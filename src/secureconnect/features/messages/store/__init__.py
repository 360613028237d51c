"""What is stored about messages beside the log: mentions, followers of threads, pins, what users hid."""

from secureconnect.features.messages.store.followers import follow, follower, followers, update_follower
from secureconnect.features.messages.store.hidden import hidden_among, hide
from secureconnect.features.messages.store.mentions import (
    EVERYBODY,
    called,
    mention,
    mention_counts,
    remention,
    unmention,
)
from secureconnect.features.messages.store.pins import Pin, count_pins, list_pins, pin, unpin
from secureconnect.features.messages.store.purging import forget_messages
from secureconnect.features.messages.store.scheduled import (
    ScheduledRecord,
    add_scheduled,
    change_scheduled,
    claim_due,
    count_pending,
    find_due,
    find_scheduled,
    list_scheduled,
)

__all__ = [
    "EVERYBODY",
    "Pin",
    "ScheduledRecord",
    "add_scheduled",
    "called",
    "change_scheduled",
    "claim_due",
    "count_pending",
    "count_pins",
    "find_due",
    "find_scheduled",
    "follow",
    "follower",
    "followers",
    "forget_messages",
    "hidden_among",
    "hide",
    "list_pins",
    "list_scheduled",
    "mention",
    "mention_counts",
    "pin",
    "remention",
    "unmention",
    "unpin",
    "update_follower",
]
