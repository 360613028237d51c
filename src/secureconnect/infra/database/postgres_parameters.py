"""Parameters of statements for `WriteTx.run`: `?` and `?2` as SQLite has them, `$1` as servers want them."""

import re
from functools import lru_cache

__all__ = ["numbered"]

_PARAMETER = re.compile(r"'[^']*'|\?(\d*)")


@lru_cache(maxsize=2048)
def numbered(sql: str) -> tuple[str, tuple[int, ...] | None]:
    """`sql` for a server, and which of the given values it wants, in order; None for all of them.

    SQLite takes values that a statement does not use; a server would not know their type. What stands inside
    quotes stays.
    """
    places: list[int] = []
    next_one = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal next_one
        if match.group(1) is None:
            return match.group()
        place = int(match.group(1)) - 1 if match.group(1) else next_one
        next_one = place + 1
        if place not in places:
            places.append(place)
        return f"${places.index(place) + 1}"

    text = _PARAMETER.sub(replace, sql)
    plain = places == list(range(len(places))) and "?1" not in sql
    return text, None if plain else tuple(places)
