"""What is one emoji."""

import emoji
import pytest

from secureconnect.features.messages.rules import emoji_sequence
from secureconnect.kit.errors import ApiError


def test_every_recommended_sequence_is_one() -> None:
    """Fully spelled ones stay as they are, shorter spellings become them; all fit."""
    status = emoji.STATUS
    for text, about in emoji.EMOJI_DATA.items():
        if about["status"] != status["component"]:
            sequence = emoji_sequence(text)
            assert emoji.EMOJI_DATA[sequence]["status"] == status["fully_qualified"]
            assert sequence.replace("\ufe0f", "") == text.replace("\ufe0f", "")
            assert len(sequence.encode()) <= 64
            assert emoji_sequence(sequence) == sequence


@pytest.mark.parametrize(
    ("text", "sequence"),
    [
        ("❤", "❤️"),
        ("❤️", "❤️"),
        ("1⃣", "1️⃣"),
        ("👍️", "👍"),
        ("👍🏽", "👍🏽"),
        ("🇩🇪", "🇩🇪"),
        ("👩‍❤‍👩", "👩‍❤️‍👩"),
        ("👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"),
    ],
)
def test_one_spelling_each(text: str, sequence: str) -> None:
    assert emoji_sequence(text) == sequence


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "1",
        "#",
        "abc",
        "👍👍",
        "👍a",
        " 👍",
        "🇩",
        "🇩🇪🇫🇷",
        "🏽",
        "\u200d",
        "\ufe0f",
        "👍\ufe0e",
        "👍" * 17,
    ],
)
def test_nothing_else_is(text: str) -> None:
    with pytest.raises(ApiError) as caught:
        emoji_sequence(text)
    assert [detail.field for detail in caught.value.details] == ["emoji"]


def test_what_is_too_long_is_not_looked_at() -> None:
    with pytest.raises(ApiError) as caught:
        emoji_sequence("👍" * 17)
    assert caught.value.details[0].message == "at most 64 bytes"
