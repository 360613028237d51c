"""What comments cite of the reference is there."""

import re

import pytest

from tests.architecture.house import ROOT

_CITED = re.compile(r"docs/(reference|decisions|how-to)/([\w-]+)\.md((?:,? §[\d.]*\d)*)")
_HEADING = re.compile(r"^#+ ([\d.]*\d)\.? ", re.MULTILINE)


def _citations() -> dict[str, set[str]]:
    """`folder/page` → the sections cited."""
    found: dict[str, set[str]] = {}
    for folder in ("src", "tests", "bench"):
        for path in (ROOT / folder).rglob("*.py"):
            # A citation may be broken over two lines, of which the second may be a comment's.
            text = re.sub(r"\n\s*(?:#:? )?", " ", path.read_text("utf-8"))
            for kind, page, sections in _CITED.findall(text):
                found.setdefault(f"{kind}/{page}", set()).update(re.findall(r"[\d.]*\d", sections))
    return found


_CITATIONS = _citations()


@pytest.mark.parametrize("page", sorted(_CITATIONS))
def test_cited_sections_exist(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    assert set(_HEADING.findall(text)) >= _CITATIONS[page]
