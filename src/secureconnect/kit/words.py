"""What a word is: the one rule for what is indexed, what is asked for, and what counts as a hit.

Words are runs of letters, digits and the marks that belong to them, without regard to case and diacritics.
Scripts that put no spaces between words (Chinese, Japanese, Thai …) have runs of signs instead: they are
indexed as overlapping pairs and found wherever the wanted signs stand next to each other. So are Korean,
which glues endings to its words, and emoji.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

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

# Signs without width of their own that may stand inside a word: they are left out of it. U+0640 only
# stretches Arabic words.
_INVISIBLE = (0x00AD, 0x0640, *range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF)
_SELECTORS = (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), *range(0x1F3FB, 0x1F400))

# Written without spaces, or glued together.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u2600-\u27bf\u2e80-\u2fdf"
    "\u3005-\u3007\u3021-\u318f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua9ff\uaa60-\uaadf\uac00-\ud7ff"
    "\uf900-\ufaff\U0001b000-\U0001b16f\U0001f000-\U0001faff\U00020000-\U0003ffff"
)
_EMOJI = "\u2600-\u27bf\U0001f000-\U0001faff"

_ASCII_WORD = re.compile(r"[0-9a-z]+")
_SIGNS = re.compile(f"([{_UNSPACED}]+)")


class _Rules(NamedTuple):
    """What the Unicode data of this Python say; gathered when the first text beyond ASCII comes."""

    drop: dict[int, str | None]
    run: re.Pattern[str]


@cache
def _rules() -> _Rules:
    drop: dict[int, str | None] = dict.fromkeys((*_INVISIBLE, *_SELECTORS))
    marks: list[str] = []
    for point in (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0)):
        sign = chr(point)
        if unicodedata.category(sign)[0] != "M" or point in drop:
            continue
        # Classes 10-36 are Hebrew and Arabic points, those from 200 on accents. Other marks are vowels and
        # the like, without which a word is another one.
        place = unicodedata.combining(sign)
        if place >= 200 or 10 <= place <= 36:
            drop[point] = None
        else:
            marks.append(re.escape(sign))
    drop.update({ord(letter): plain for letter, plain in _PLAIN.items()})
    drop[ord("_")] = " "
    return _Rules(drop, re.compile(f"[\\w{_EMOJI}{''.join(marks)}]+"))


def fold(text: str) -> str:
    """`text` without case and diacritics, in one form for all spellings of a letter."""
    if text.isascii():
        return text.lower()
    # Case folding may bring signs that decompose, and decomposing some that fold.
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFKC", plain.translate(_rules().drop))


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """The words of `text`, folded; True with runs of a script without spaces."""
    folded = fold(text)
    if folded.isascii():
        for word in _ASCII_WORD.findall(folded):
            yield word, False
        return
    for run in _rules().run.findall(folded):
        # Every second part is what the pattern matched.
        for place, part in enumerate(_SIGNS.split(run)):
            if part:
                yield part, place % 2 == 1


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
