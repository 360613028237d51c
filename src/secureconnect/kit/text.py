"""How text from outside is made safe to store: NFC, no control characters, no lone surrogates."""

import re
import unicodedata

__all__ = ["TextFault", "clean_name", "clean_text", "clean_words", "fold"]

# Text may hold newlines and tabs, names neither; the C1 block counts as control characters too.
_TEXT_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_NAME_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class TextFault(ValueError):
    """The text holds something that is never stored; the message names the rule, not the value."""


def clean_text(text: str) -> str:
    """NFC form of `text`.

    Raises:
        TextFault: it holds a control character other than newline and tab, or a lone surrogate.
    """
    if _TEXT_CONTROL.search(text):
        raise TextFault("control characters other than newline and tab are not allowed")
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def clean_name(text: str) -> str:
    """NFC form of `text` without surrounding blanks, for names, titles and usernames.

    Raises:
        TextFault: it holds a control character (newline and tab too) or a lone surrogate.
    """
    text = text.strip()
    if _NAME_CONTROL.search(text):
        raise TextFault("control characters are not allowed")
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def clean_words(text: str) -> str:
    """NFC form of a passphrase: nothing is trimmed and control characters are allowed.

    Raises:
        TextFault: it holds a lone surrogate.
    """
    if _SURROGATE.search(text):
        raise TextFault("not valid Unicode text")
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def fold(text: str) -> str:
    """The form in which e-mail addresses, usernames and names are compared without regard to case."""
    return unicodedata.normalize("NFC", text.casefold())
