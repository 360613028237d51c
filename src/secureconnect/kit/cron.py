"""Times in the five fields of cron, `minute hour day month weekday`, all in UTC.

A field is `*`, a number, a range `a-b`, any of these with a step `/n`, or several joined by commas; weekdays
count from Sunday, 0 or 7. As everywhere, a day comes when either day field says so if both are restricted.
"""

import datetime as dt
from typing import Final

__all__ = ["Cron", "CronFault"]

_FIELDS: Final = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day", 1, 31),
    ("month", 1, 12),
    ("weekday", 0, 7),
)
_DAY: Final = dt.timedelta(days=1)
#: 29 February on a given weekday comes once in 28 years, or 40 where a century leaves one out.
_FURTHEST_DAYS: Final = 41 * 366


class CronFault(ValueError):
    """The text is no schedule; the message says which field."""


class Cron:
    """A schedule.

    Raises:
        CronFault: `text` is none, or its time never comes.
    """

    def __init__(self, text: str) -> None:
        parts = text.split()
        if len(parts) != len(_FIELDS):
            raise CronFault("needs five fields: minute hour day month weekday")
        minutes, hours, days, months, weekdays = (
            _values(part, name, low, high) for part, (name, low, high) in zip(parts, _FIELDS, strict=True)
        )
        self._minutes, self._hours = sorted(minutes), sorted(hours)
        self._days, self._months = days, months
        self._weekdays = {day % 7 for day in weekdays}
        self._any_day, self._any_weekday = parts[2].startswith("*"), parts[4].startswith("*")
        if self.before(dt.datetime(2100, 1, 1, tzinfo=dt.UTC)) is None:
            raise CronFault("names a day that never comes")

    def before(self, moment: dt.datetime) -> dt.datetime | None:
        """The last time of the schedule at or before `moment`; None when there is none in 40 years."""
        moment = moment.astimezone(dt.UTC).replace(second=0, microsecond=0)
        day = moment.replace(hour=0, minute=0)
        for _ in range(_FURTHEST_DAYS):
            if self._on(day):
                for hour in reversed(self._hours):
                    for minute in reversed(self._minutes):
                        found = day.replace(hour=hour, minute=minute)
                        if found <= moment:
                            return found
            day -= _DAY
        return None

    def _on(self, day: dt.datetime) -> bool:
        if day.month not in self._months:
            return False
        by_day, by_weekday = day.day in self._days, day.isoweekday() % 7 in self._weekdays
        if self._any_day or self._any_weekday:
            return by_day and by_weekday
        return by_day or by_weekday


def _values(part: str, name: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for piece in part.split(","):
        span, slash, step_text = piece.partition("/")
        first, dash, last = span.partition("-")
        try:
            step = int(step_text) if slash else 1
            if span == "*":
                start, end = low, high
            else:
                start = int(first)
                end = int(last) if dash else (high if slash else start)
        except ValueError as error:
            raise CronFault(f"{name}: {piece!r} is not understood") from error
        if not (low <= start <= end <= high) or step < 1:
            raise CronFault(f"{name}: {piece!r} is not within {low} to {high}")
        found.update(range(start, end + 1, step))
    return found
