"""`doctor`: what is broken, and how to mend it (docs/reference/operations.md §1)."""

from collections.abc import Iterable

from secureconnect.app.doctor.base import Check, Finding, examine
from secureconnect.app.doctor.machine import machine_checks
from secureconnect.app.doctor.outside import outside_checks
from secureconnect.app.doctor.redis import redis_checks
from secureconnect.app.doctor.stores import store_checks
from secureconnect.app.settings import Settings

__all__ = ["Finding", "diagnose"]


async def diagnose(settings: Settings, *, deep: bool) -> list[Finding]:
    """Check everything that these settings name, in order. Works beside a running server, and without one.

    `deep` reads the whole store (docs/reference/data.md §6), which takes some seconds per million events.
    """
    checks: Iterable[Check] = [
        *machine_checks(settings),
        *store_checks(settings, deep=deep),
        *redis_checks(settings),
        *outside_checks(settings),
    ]
    return [finding for check in checks for finding in await examine(check)]
