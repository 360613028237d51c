"""On which line a key of a TOML file stands; the standard parser does not tell."""

import re
from collections.abc import Iterator, Mapping

__all__ = ["key_lines"]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*(?:"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'|([A-Za-z0-9_-]+))[ \t]*(\.)?""")
_STRINGS = (
    r'"""(?:[^\\]|\\.)*?"{3,5}',
    r"'''.*?'{3,5}",
    r'"(?:[^"\\\n]|\\.)*"',
    r"'[^'\n]*'",
)
_STRING = re.compile("|".join(_STRINGS), re.DOTALL)


def key_lines(text: str) -> Mapping[tuple[str, ...], int]:
    """Path of each table and key → its line, counted from 1, for text that is valid TOML.

    Keys inside inline tables and arrays have no entry; they stand where their parent does.
    """
    return dict(_walk(text))


def _walk(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    table: tuple[str, ...] = ()
    at = _after_blank(text, 0)
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        if text[at] == "[":
            table, at = _path(text, at + (2 if text.startswith("[[", at) else 1))
            yield table, line
            at = text.find("\n", at)
            at = len(text) if at < 0 else at
        else:
            path, at = _path(text, at)
            yield table + path, line
            at = _after_value(text, at)
        at = _after_blank(text, at)


def _after_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _path(text: str, at: int) -> tuple[tuple[str, ...], int]:
    parts: list[str] = []
    while found := _KEY.match(text, at):
        parts.append(next(part for part in found.groups()[:3] if part is not None))
        at = found.end()
        if not found[4]:
            break
    return tuple(parts), at


def _after_value(text: str, at: int) -> int:
    """Past the value of a key: to the first line end outside strings, comments and brackets."""
    depth = 0
    while at < len(text):
        char = text[at]
        if char in "\"'" and (found := _STRING.match(text, at)):
            at = found.end()
            continue
        if char == "#":
            at = _line_end(text, at)
            continue
        if char == "\n" and depth == 0:
            return at
        depth += (char in "[{") - (char in "]}")
        at += 1
    return at


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
