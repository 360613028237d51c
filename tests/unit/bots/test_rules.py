"""What bots and webhooks may be."""

import pytest

from secureconnect.features.bots import rules
from secureconnect.kit.errors import ApiError


@pytest.mark.parametrize("name", ["echo_bot", "Echo_BOT", "a_bot"])
def test_names_of_bots(name: str) -> None:
    rules.check_bot_name(name)


@pytest.mark.parametrize("name", ["echo", "bot", "echo-bot", "echo_bots", "_bo"])
def test_names_that_look_like_people(name: str) -> None:
    with pytest.raises(ApiError) as caught:
        rules.check_bot_name(name)
    assert [detail.field for detail in caught.value.details] == ["username"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"text": None, "content": None}, "text"),
        ({"text": " \n", "content": "hi"}, "text"),
        ({"text": None, "content": "\t"}, "content"),
        ({"text": None, "content": "12345678901"}, "content"),
    ],
)
def test_posts_that_say_nothing_or_too_much(fields: dict[str, str | None], field: str) -> None:
    with pytest.raises(ApiError) as caught:
        rules.check_hook_text(fields, 10)
    assert [detail.field for detail in caught.value.details] == [field]


def test_the_first_text_of_a_post_counts() -> None:
    assert rules.check_hook_text({"text": "a", "content": "b"}, 10) == "a"
    assert rules.check_hook_text({"text": None, "content": "1234567890"}, 10) == "1234567890"
