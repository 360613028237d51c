"""Names of backups in `backup.dir`: they say when, and sort by time."""

import re
import time
from pathlib import Path

__all__ = ["made_at", "new_name", "stored"]

_NAME = re.compile(r"secureconnect-(\d{8}T\d{6})Z\.backup")
_FORM = "%Y%m%dT%H%M%S"


def new_name() -> str:
    """A name for a backup that begins now."""
    return f"secureconnect-{time.strftime(_FORM, time.gmtime())}Z.backup"


def made_at(path: Path) -> float | None:
    """When a backup began by its name, in seconds since the epoch; None for other files."""
    import calendar

    found = _NAME.fullmatch(path.name)
    return float(calendar.timegm(time.strptime(found.group(1), _FORM))) if found else None


def stored(folder: Path) -> list[Path]:
    """The backups in a directory, oldest first."""
    return sorted(path for path in folder.glob("secureconnect-*.backup") if made_at(path) is not None)
