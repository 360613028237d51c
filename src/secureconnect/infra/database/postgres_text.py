"""Texts as a server stores them: it knows no U+0000, which what a client encrypted may contain."""

from typing import Final

__all__ = ["stored_text", "text_of"]

# A code point that no text has, "for internal use" (Unicode, section 23.7). One that has it comes back too.
_ESCAPE: Final = "\ufdd0"
_NUL, _ITSELF = f"{_ESCAPE}0", f"{_ESCAPE}1"


def stored_text(text: str) -> str:
    """How `text` is stored."""
    if "\x00" not in text and _ESCAPE not in text:
        return text
    return text.replace(_ESCAPE, _ITSELF).replace("\x00", _NUL)


def text_of(stored: str) -> str:
    """The text that was stored so."""
    if _ESCAPE not in stored:
        return stored
    return stored.replace(_NUL, "\x00").replace(_ITSELF, _ESCAPE)
