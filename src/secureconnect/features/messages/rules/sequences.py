"""What counts as one emoji (Unicode TS #51: sequences that are recommended for general interchange)."""

from collections.abc import Mapping
from functools import cache
from typing import Final

from secureconnect.kit.errors import invalid

__all__ = ["emoji_sequence", "spellings"]

_MOST_BYTES: Final = 64
_AS_PICTURE: Final = "\ufe0f"


@cache
def spellings() -> Mapping[str, str]:
    """Each sequence without variation selectors, and how it is written in full.

    The first call takes about 0.1 s, in which it imports the table.
    """
    import emoji

    status, complete = emoji.STATUS, emoji.EMOJI_DATA
    found: dict[str, str] = {}
    for text, about in complete.items():
        if about["status"] == status["fully_qualified"]:
            found[text.replace(_AS_PICTURE, "")] = text
    return found


def emoji_sequence(text: str) -> str:
    """The one spelling of the emoji sequence that `text` is, so that it counts as one reaction.

    Skin tones, flags, keycaps and joined sequences are one emoji each. Programs differ in the variation
    selectors that they send.

    Raises:
        ApiError: `VALIDATION_ERROR` on field `emoji`.
    """
    if len(text.encode()) > _MOST_BYTES:
        raise invalid("emoji", f"at most {_MOST_BYTES} bytes")
    sequence = spellings().get(text.replace(_AS_PICTURE, ""))
    if sequence is None:
        raise invalid("emoji", "exactly one emoji is needed")
    return sequence
