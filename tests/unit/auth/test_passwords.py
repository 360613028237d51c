"""Which passwords are refused (contract rules §1)."""

import pytest

from secureconnect.features.auth.rules import _common, password_fault
from secureconnect.kit.text import clean_words


def fault(
    password: str, username: str = "ann.lee", email: str = "ann@example.test", shortest: int = 8
) -> str:
    return password_fault(clean_words(password), username=username, email=email, shortest=shortest) or ""


def test_the_bundled_list_is_long_and_folded() -> None:
    assert len(_common()) >= 10_000
    assert all(word == word.casefold() for word in _common())


@pytest.mark.parametrize("password", ["password1", "PASSWORD1", "Qwertyuiop", "12345678", "iloveyou1"])
def test_common_passwords_are_refused_in_any_case(password: str) -> None:
    assert "common" in fault(password)


@pytest.mark.parametrize("password", ["ann.lee-2026!", "xxANN.LEExx", "my ann is nice", "ANN-and-the-rest"])
def test_the_username_and_the_local_part_are_refused_inside(password: str) -> None:
    assert "username" in fault(password)


def test_short_local_parts_are_not_looked_for() -> None:
    assert fault("violet kettle li rain", username="lissie", email="li@example.test") == ""
    assert "username" in fault("violet kettle liz rain", username="lissie", email="liz@example.test")


@pytest.mark.parametrize(
    ("password", "refused"),
    [("1234567", True), ("v1olet-k", False), ("✓" * 7, True), ("✓" * 8, False), ("u\u0308" * 7, True)],
)
def test_length_is_counted_in_composed_characters(password: str, refused: bool) -> None:
    assert ("at least 8" in fault(password)) is refused


def test_the_shortest_length_is_a_setting() -> None:
    assert "at least 12" in fault("violet-kett", shortest=12)
    assert fault("violet-kettle", shortest=12) == ""


@pytest.mark.parametrize(
    "password", ["tab\tand\x00null\x1b", "        x        ", "ünïcødé pass ✓ long", "x" * 1024]
)
def test_anything_else_is_allowed(password: str) -> None:
    assert fault(password) == ""


def test_the_reason_never_repeats_the_password() -> None:
    for password in ("password1", "ann.lee-2026!", "short"):
        assert password not in fault(password)
