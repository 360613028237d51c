"""When backups are made, where they lie, and what closes them."""

from typing import Annotated

from secureconnect.kit.settings import Section, about

__all__ = ["BackupSettings"]


class BackupSettings(Section, frozen=True):
    """Backups."""

    dir: Annotated[str, about("directory of scheduled backups; better not on the disk of the data")] = ""
    schedule: Annotated[
        str,
        about(
            "when to make one, in five fields of cron, UTC; empty: never",
            form="minute hour day month weekday",
        ),
    ] = ""
    retention_days: Annotated[
        int, about("older ones are removed, once a newer one is verified", unit="d", ge=1, le=36_500)
    ] = 7
    passphrase: Annotated[str, about("encrypts backups; without it they are readable", secret=True)] = ""
