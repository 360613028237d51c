"""When an export may begin, and how it stands."""

import pytest

from secureconnect.features.privacy.rules import Export, ExportStatus, check_may_export, shown_status
from secureconnect.features.privacy.service.archive import safe_name
from secureconnect.kit.errors import ApiError, ErrorCode

_DAY = 24 * 3600 * 1000
_NOW = 1_800_000_000_000


def export(status: ExportStatus, *, age: int = 0, expires_at: int | None = None) -> Export:
    return Export("e", "u", status, None, _NOW - age, expires_at)


@pytest.mark.parametrize(
    "latest", [None, export("failed"), export("ready", age=_DAY), export("expired", age=8 * _DAY)]
)
def test_an_export_may_begin(latest: Export | None) -> None:
    check_may_export(latest, _NOW)


def test_one_at_a_time() -> None:
    for age in (0, 2 * _DAY):
        with pytest.raises(ApiError) as refused:
            check_may_export(export("pending", age=age), _NOW)
        assert refused.value.code is ErrorCode.REQUEST_IN_PROGRESS


@pytest.mark.parametrize(("age", "wait"), [(0, 86_400), (_DAY - 1, 1), (_DAY - 1001, 2)])
def test_one_in_a_day(age: int, wait: int) -> None:
    with pytest.raises(ApiError) as refused:
        check_may_export(export("ready", age=age), _NOW)
    assert (refused.value.code, refused.value.retry_after) == (ErrorCode.RATE_LIMIT_EXCEEDED, wait)


def test_an_export_is_over_with_its_time() -> None:
    assert shown_status(export("ready", expires_at=_NOW + 1), _NOW) == "ready"
    assert shown_status(export("ready", expires_at=_NOW), _NOW) == "expired"
    assert shown_status(export("pending"), _NOW) == "pending"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\x\\y.txt", "C__x_y.txt"),
        ("...", "file"),
        ("a\x00b\nc", "a_b_c"),
        ("über 東京.txt", "über 東京.txt"),
        ("x" * 300, "x" * 150),
    ],
)
def test_names_of_files_are_never_paths(name: str, safe: str) -> None:
    assert safe_name(name) == safe
