"""Write the reference pages that follow from the code, or compare them with it.

`python -m docs.generate` writes, `--check` compares.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from docs.pages.errors import errors_page
from docs.pages.events import events_page
from docs.pages.http import http_page
from docs.pages.metrics import metrics_page
from secureconnect.app.settings.reference import document

__all__ = ["PAGES", "REFERENCE", "main"]

REFERENCE = Path(__file__).parent / "reference"

#: File name → what it must hold.
PAGES: dict[str, Callable[[], str]] = {
    "errors.md": errors_page,
    "events.md": events_page,
    "http.md": http_page,
    "metrics.md": metrics_page,
    "settings.md": document,
}


def main(arguments: list[str]) -> int:
    """Write all pages, or with `--check` name those that differ; 0 when nothing is wrong."""
    stale = []
    for name, page in PAGES.items():
        file, text = REFERENCE / name, page()
        if arguments == ["--check"]:
            if not file.is_file() or file.read_text("utf-8") != text:
                stale.append(name)
        else:
            file.write_text(text, "utf-8")
    for name in stale:
        sys.stderr.write(f"docs/reference/{name} is out of date: run 'make docs'\n")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
