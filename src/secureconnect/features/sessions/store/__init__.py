"""The tables of sessions and every query on them."""

from secureconnect.features.sessions.store.keys import KeyRow, add_key, keys, retire_key
from secureconnect.features.sessions.store.one_time import (
    OneTimeRow,
    add_one_time,
    count_failure,
    find_one_time,
    take_one_time,
    void_one_time,
)
from secureconnect.features.sessions.store.records import (
    RefreshRow,
    SessionRow,
    add_refresh_token,
    add_session,
    hash_token,
    known_address,
    live_ids,
    live_sessions,
    purge,
    refresh_row,
    revoke,
    session_state,
    touch,
    use_refresh_token,
)
from secureconnect.features.sessions.store.tables import (
    one_time_tokens,
    refresh_tokens,
    sessions,
    signing_keys,
)

__all__ = [
    "KeyRow",
    "OneTimeRow",
    "RefreshRow",
    "SessionRow",
    "add_key",
    "add_one_time",
    "add_refresh_token",
    "add_session",
    "count_failure",
    "find_one_time",
    "hash_token",
    "keys",
    "known_address",
    "live_ids",
    "live_sessions",
    "one_time_tokens",
    "purge",
    "refresh_row",
    "refresh_tokens",
    "retire_key",
    "revoke",
    "session_state",
    "sessions",
    "signing_keys",
    "take_one_time",
    "touch",
    "use_refresh_token",
    "void_one_time",
]
