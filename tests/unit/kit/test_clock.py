"""Times as clients write and read them."""

import pytest

from secureconnect.kit.clock import parse_rfc3339, rfc3339


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-31T12:00:00.000Z", 1_769_860_800_000),
        ("2026-01-31T14:00:00+02:00", 1_769_860_800_000),
        ("2026-01-31T12:00:00.1239999z", 1_769_860_800_123),
        ("2026-01-31t12:00:00.5-00:00", 1_769_860_800_500),
        ("1969-12-31T23:59:59.999Z", -1),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ],
)
def test_rfc_3339_is_read(text: str, ms: int) -> None:
    assert parse_rfc3339(text) == ms
    assert parse_rfc3339(rfc3339(ms)) == ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31 12:00:00Z",
        "20260131T120000Z",
        "2026-W05-6T12:00:00Z",
        "2026-01-31T12:00Z",
        "2026-02-30T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:00:00+2",
        "2026-01-31T12:00:00+25:00",
        "2026-01-31T12:00:00Z\n",
        "\u0662026-01-31T12:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "1769860800",
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"timestamp|day|hour|offset|isoformat|month"):
        parse_rfc3339(text)


def test_years_have_four_digits() -> None:
    assert rfc3339(-62_135_596_800_000) == "0001-01-01T00:00:00.000Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1) == "1970-01-01T00:00:00.001Z"
    assert rfc3339(253_402_300_799_999) == "9999-12-31T23:59:59.999Z"
