"""The process of a scheduled backup: makes one, verifies it, and ends."""

import os
import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from secureconnect.app.failure import Failure
from secureconnect.app.settings import Settings
from secureconnect.infra.database.base import DatabaseRefused
from secureconnect.kit.errors import ApiError

__all__ = ["Wish", "main"]


class Wish(Struct, frozen=True):
    """What is asked for, on standard input."""

    settings: Settings
    path: str


def main() -> int:
    """Returns the exit code; standard error says what went wrong."""
    wish = msgspec.json.decode(sys.stdin.buffer.read(), type=Wish)
    os.nice(10)
    from secureconnect.app.backup.dump import back_up
    from secureconnect.app.backup.restore import verify

    path, passphrase = Path(wish.path), wish.settings.backup.passphrase
    try:
        back_up(wish.settings, path, passphrase)
        verify(path, passphrase)
    except (Failure, DatabaseRefused, ApiError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
