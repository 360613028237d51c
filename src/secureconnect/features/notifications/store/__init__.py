"""The tables of notifications and every query on them."""

from secureconnect.features.notifications.store.entries import (
    Entry,
    count_all,
    count_unread,
    find_entry,
    list_entries,
    mark_all_read,
    mark_pushed,
    mark_read,
    purge,
    put_entry,
    read_upto,
    remove_entry,
    remove_user,
    unread_in,
)
from secureconnect.features.notifications.store.preferences import (
    find_preferences,
    preferences_in,
    save_preferences,
)
from secureconnect.features.notifications.store.progress import (
    first_time,
    progress,
    progress_in,
    remember,
    set_first_time,
    set_told_time,
    told_time,
)

__all__ = [
    "Entry",
    "count_all",
    "count_unread",
    "find_entry",
    "find_preferences",
    "first_time",
    "list_entries",
    "mark_all_read",
    "mark_pushed",
    "mark_read",
    "preferences_in",
    "progress",
    "progress_in",
    "purge",
    "put_entry",
    "read_upto",
    "remember",
    "remove_entry",
    "remove_user",
    "save_preferences",
    "set_first_time",
    "set_told_time",
    "told_time",
    "unread_in",
]
