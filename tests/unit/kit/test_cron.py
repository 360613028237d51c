"""Schedules in the form of cron."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureconnect.kit.cron import Cron, CronFault


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "moment", "last"),
    [
        ("30 3 * * *", "2026-05-10 03:30:00", "2026-05-10 03:30:00"),
        ("30 3 * * *", "2026-05-10 03:29:59", "2026-05-09 03:30:00"),
        ("*/15 * * * *", "2026-05-10 11:44:00", "2026-05-10 11:30:00"),
        ("0 0 1 1 *", "2026-05-10 00:00:00", "2026-01-01 00:00:00"),
        ("0 0 29 2 *", "2027-02-28 00:00:00", "2024-02-29 00:00:00"),
        # 2026-05-10 is a Sunday, which is 0 and 7.
        ("0 12 * * 7", "2026-05-13 00:00:00", "2026-05-10 12:00:00"),
        ("0 12 * * 0", "2026-05-10 13:00:00", "2026-05-10 12:00:00"),
        ("0 12 * * 1-5", "2026-05-10 13:00:00", "2026-05-08 12:00:00"),
        # Both days are restricted: either will do.
        ("0 0 1 * 1", "2026-05-10 00:00:00", "2026-05-04 00:00:00"),
        ("5,10 8-10/2 * * *", "2026-05-10 09:00:00", "2026-05-10 08:10:00"),
    ],
)
def test_the_last_time_before(text: str, moment: str, last: str) -> None:
    assert Cron(text).before(at(moment)) == at(last)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "a * * * *",
        "5-1 * * * *",
        "*/0 * * * *",
        "1,,2 * * * *",
        "0 0 30 2 *",
    ],
)
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(CronFault):
        Cron(text)


@given(st.integers(946_684_800, 4_000_000_000), st.integers(0, 59), st.integers(0, 23))
def test_daily_times_are_less_than_a_day_back(seconds: int, minute: int, hour: int) -> None:
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    found = Cron(f"{minute} {hour} * * *").before(moment)
    assert found is not None
    assert dt.timedelta(0) <= moment - found < dt.timedelta(days=1)
    assert (found.minute, found.hour) == (minute, hour)
