"""How long events stay."""

import pytest

from secureconnect.features.admin.rules import days_kept


@pytest.mark.parametrize(
    ("own", "default", "most", "kept"),
    [
        (0, 0, 0, 0),
        (5, 0, 0, 5),
        (0, 7, 0, 7),
        (5, 7, 0, 5),
        (9, 7, 0, 9),
        (0, 0, 3, 3),
        (5, 0, 3, 3),
        (2, 0, 3, 2),
        (0, 7, 3, 3),
        (0, 2, 3, 2),
        (2, 7, 3, 2),
    ],
)
def test_own_days_then_the_default_and_never_more_than_allowed(
    own: int, default: int, most: int, kept: int
) -> None:
    assert days_kept(own, default, most) == kept
