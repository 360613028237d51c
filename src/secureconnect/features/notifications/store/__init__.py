"""The tables of notifications and every query on them."""

from secureconnect.features.notifications.store.entries import (
    Entry,
    add_entry,
    count_all,
    count_unread,
    find_entry,
    fold_entry,
    list_entries,
    mark_all_read,
    mark_pushed,
    mark_read,
    purge,
    read_upto,
    remove_entry,
    remove_user,
)
from secureconnect.features.notifications.store.preferences import find_preferences, save_preferences
from secureconnect.features.notifications.store.progress import (
    first_time,
    progress,
    remember,
    set_first_time,
    set_told_time,
    told_time,
)

__all__ = [
    "Entry",
    "add_entry",
    "count_all",
    "count_unread",
    "find_entry",
    "find_preferences",
    "first_time",
    "fold_entry",
    "list_entries",
    "mark_all_read",
    "mark_pushed",
    "mark_read",
    "progress",
    "purge",
    "read_upto",
    "remember",
    "remove_entry",
    "remove_user",
    "save_preferences",
    "set_first_time",
    "set_told_time",
    "told_time",
]
