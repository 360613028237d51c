"""What a word is: the one rule for what is indexed, what is asked for, and what counts as a hit.

Words are runs of letters, digits and the marks that belong to them, without regard to case and diacritics.
Scripts that put no spaces between words (Chinese, Japanese, Thai …) have runs of signs instead: they are
indexed as overlapping pairs and found wherever the wanted signs stand next to each other. So are Korean,
which glues endings to its words, and emoji.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from msgspec import Struct

__all__ = ["Wanted", "fold", "terms", "wanted"]

# Letters that have no decomposition, and that people type without their stroke.
_PLAIN = {
    "đ": "d",
    "ð": "d",
    "ħ": "h",
    "ı": "i",
    "ł": "l",
    "ø": "o",
    "ŧ": "t",
    "œ": "oe",
    "æ": "ae",
    "þ": "th",
}

# Signs without width of their own that may stand inside a word, and choices between pictures: they are left
# out. U+0640 only stretches Arabic words.
_INVISIBLE = frozenset(
    (
        *(0x00AD, 0x0640, 0xFEFF),
        *range(0x200C, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x206A),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
        *range(0x1F3FB, 0x1F400),
    )
)

# Written without spaces, or glued together.
_UNSPACED = tuple(
    range(first, last + 1)
    for first, last in (
        (0x0E00, 0x0EFF),  # Thai, Lao
        (0x1000, 0x109F),  # Burmese
        (0x1100, 0x11FF),  # Hangul
        (0x1780, 0x17FF),  # Khmer
        (0x1950, 0x19DF),
        (0x1A20, 0x1AAF),
        (0x2600, 0x27BF),  # emoji
        (0x2E80, 0x2FDF),  # Han
        (0x3005, 0x3007),
        (0x3021, 0x318F),  # Kana
        (0x31A0, 0x31FF),
        (0x3400, 0x4DBF),
        (0x4E00, 0xA4CF),
        (0xA960, 0xA9FF),
        (0xAA60, 0xAADF),
        (0xAC00, 0xD7FF),
        (0xF900, 0xFAFF),
        (0x1B000, 0x1B16F),
        (0x1F000, 0x1FAFF),  # emoji
        (0x20000, 0x3FFFF),
    )
)
_EMOJI = (range(0x2600, 0x27C0), range(0x1F000, 0x1FB00))

_ASCII_WORD = re.compile(r"[0-9a-z]+")
# Stands before each sign of a script without spaces; no text holds it (`kit.text`).
_MARK = "\x01"
_MARKED = re.compile(f"((?:{_MARK}.)+)", re.DOTALL)

_REMEMBERED = 20_000


class _Table(dict[int, str]):
    """What becomes of each sign, for `str.translate`; found out when the sign is first met."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        super().__init__()
        self._rule = rule

    def __missing__(self, point: int) -> str:
        found = self._rule(chr(point))
        if len(self) < _REMEMBERED:
            self[point] = found
        return found


def _plain(sign: str) -> str:
    """A sign of a decomposed text without what does not count."""
    if sign in _PLAIN:
        return _PLAIN[sign]
    if ord(sign) in _INVISIBLE:
        return ""
    # Classes 10-36 are Hebrew and Arabic points, those from 200 on accents. Other marks are vowels and the
    # like, without which a word is another one.
    place = unicodedata.combining(sign)
    return "" if place >= 200 or 10 <= place <= 36 else sign


def _separated(sign: str) -> str:
    """A sign of a folded text: blank unless it belongs to a word, marked when its script has no spaces."""
    point = ord(sign)
    emoji = any(point in some for some in _EMOJI)
    if not (emoji or sign.isalnum() or unicodedata.category(sign)[0] == "M"):
        return " "
    return _MARK + sign if any(point in some for some in _UNSPACED) else sign


_plainly, _separately = _Table(_plain), _Table(_separated)


def fold(text: str) -> str:
    """`text` without case and diacritics, in one form for all spellings of a letter."""
    if text.isascii():
        return text.lower()
    # Case folding may bring signs that decompose, and decomposing some that fold.
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFKC", plain.translate(_plainly))


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """The words of `text`, folded; True with runs of a script without spaces."""
    folded = fold(text)
    if folded.isascii():
        for word in _ASCII_WORD.findall(folded):
            yield word, False
        return
    separated = folded.translate(_separately)
    if _MARK not in separated:
        for word in separated.split():
            yield word, False
        return
    for run in separated.split():
        # Every second part is what the pattern matched.
        for place, part in enumerate(_MARKED.split(run)):
            if part:
                yield part.replace(_MARK, ""), place % 2 == 1


def terms(text: str) -> set[str]:
    """What is indexed for `text`: its words, and of runs without spaces each pair and the last sign.

    The last sign stands alone, so that each sign of a run begins a term. Terms hold letters, digits, marks
    and emoji, never a blank or any other sign of ASCII.
    """
    found: set[str] = set()
    for run, unspaced in _runs(text):
        if unspaced:
            found.update(map("".join, pairwise(run)))
            found.add(run[-1])
        else:
            found.add(run)
    return found


class Wanted(Struct, frozen=True):
    """What a text must hold: a word that begins with each of `words`, and each of `runs` in a row.

    Nothing wanted is found everywhere.
    """

    words: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.words or self.runs)

    @property
    def prefixes(self) -> Sequence[str]:
        """Each must begin a term of the text."""
        return (*self.words, *(run for run in self.runs if len(run) == 1))

    @property
    def pairs(self) -> Sequence[str]:
        """Each must be a term of the text. Necessary, not sufficient: the pairs may stand apart."""
        pairs = {run[place : place + 2]: None for run in self.runs for place in range(len(run) - 1)}
        return tuple(pairs)

    def found_in(self, text: str) -> bool:
        """Whether `text` holds all of it."""
        words, runs = self.words, self.runs
        if not words and not runs:
            return True
        parts: tuple[set[str], set[str]] = (set(), set())
        for run, unspaced in _runs(text):
            parts[unspaced].add(run)
        return all(any(word.startswith(prefix) for word in parts[0]) for prefix in words) and all(
            any(run in signs for signs in parts[1]) for run in runs
        )


def wanted(text: str) -> Wanted:
    """What somebody who typed `text` looks for. What another wanted word implies is left out."""
    words: dict[str, None] = {}
    runs: dict[str, None] = {}
    for run, unspaced in _runs(text):
        (runs if unspaced else words)[run] = None
    return Wanted(
        tuple(one for one in words if not any(other != one and other.startswith(one) for other in words)),
        tuple(one for one in runs if not any(other != one and one in other for other in runs)),
    )
