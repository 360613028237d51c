"""What people may type into a search (docs/reference/rules.md §5.1)."""

import re
from datetime import UTC, datetime
from typing import Final, get_args

from msgspec import Struct

from secureconnect.kit.errors import invalid
from secureconnect.kit.ids import normalise_uuid
from secureconnect.kit.objects import Feature
from secureconnect.kit.words import Wanted, wanted

__all__ = ["MYSELF", "Asked", "parse"]

#: `from:me` is the caller; usernames are longer.
MYSELF: Final = "me"

_FILTER = re.compile(r"(from|in|has|before|after):(.*)", re.IGNORECASE | re.DOTALL)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class Asked(Struct, frozen=True):
    """A query taken apart. `since` and `until` in ms, `until` itself not included."""

    wanted: Wanted
    username: str | None = None
    conversation_id: str | None = None
    has: frozenset[Feature] = frozenset()
    since: int | None = None
    until: int | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        filtered = self.username, self.conversation_id, self.since, self.until
        return bool(self.wanted or self.has) or any(value is not None for value in filtered)


def parse(text: str) -> Asked:
    """The words of a query and the filters among them; a filter is one that stands alone between blanks.

    Words of `has:` and of dates add up; a second sender or conversation could match nothing and is a fault.

    Raises:
        ApiError: `VALIDATION_ERROR` on `query`.
    """
    words: list[str] = []
    given: dict[str, set[str]] = {}
    for part in text.split():
        found = _FILTER.fullmatch(part)
        if found is None:
            words.append(part)
        else:
            given.setdefault(found[1].lower(), set()).add(found[2].lower())
    for key, values in given.items():
        if "" in values:
            raise invalid("query", f"{key}: needs a value right after the colon")
    since = [_day("after", value) for value in given.get("after", ())]
    until = [_day("before", value) for value in given.get("before", ())]
    return Asked(
        wanted(" ".join(words)),
        _one("from", {value.removeprefix("@") for value in given.get("from", ())}),
        _conversation(_one("in", given.get("in", set()))),
        frozenset(_feature(value) for value in given.get("has", ())),
        max(since, default=None),
        min(until, default=None),
    )


def _one(key: str, values: set[str]) -> str | None:
    if len(values) > 1:
        raise invalid("query", f"{key}: may be given once")
    return next(iter(values), None)


def _conversation(value: str | None) -> str | None:
    if value is None:
        return None
    conversation_id = normalise_uuid(value)
    if conversation_id is None:
        raise invalid("query", "in: needs the id of a conversation")
    return conversation_id


def _feature(value: str) -> Feature:
    for feature in get_args(Feature):
        if feature == value:
            return feature  # type: ignore[no-any-return]  # one of the literals
    raise invalid("query", f"has: is one of {', '.join(get_args(Feature))}")


def _day(key: str, value: str) -> int:
    """The start of a day (UTC) in ms since the epoch."""
    if _DATE.fullmatch(value):
        try:
            return int(datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp()) * 1000
        except ValueError:
            pass
    raise invalid("query", f"{key}: needs a date like 2026-01-31")
