"""One check, and what came of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from msgspec import Struct

from secureconnect.infra.database.base import DatabaseRefused
from secureconnect.kit.errors import ApiError

__all__ = ["Check", "Finding", "Status", "examine", "failed", "fine", "warned"]

Status = Literal["ok", "warn", "fail"]

#: Seconds after which a check that hangs is a failure.
_PATIENCE = 30.0


class Finding(Struct, frozen=True, omit_defaults=True):
    """`message` says what was seen, `fix` what to do about it, empty when all is well."""

    name: str
    status: Status
    message: str
    fix: str = ""
    seconds: float = 0.0


class Check(Struct, frozen=True):
    """`run` looks at one thing and may find several. `fix` is told when it fails in a way of its own, or
    takes longer than `patience` seconds."""

    name: str
    run: Callable[[], Awaitable[Sequence[Finding]]]
    fix: str
    patience: float = _PATIENCE


def fine(name: str, message: str) -> list[Finding]:
    """Nothing to do."""
    return [Finding(name, "ok", message)]


def warned(name: str, message: str, fix: str) -> list[Finding]:
    """It works, but not as it should for long."""
    return [Finding(name, "warn", message, fix)]


def failed(name: str, message: str, fix: str) -> list[Finding]:
    """It does not work."""
    return [Finding(name, "fail", message, fix)]


async def examine(check: Check) -> list[Finding]:
    """Run a check; whatever happens becomes a finding."""
    started = time.monotonic()
    try:
        async with asyncio.timeout(check.patience):
            found = list(await check.run())
    except TimeoutError:
        found = failed(check.name, f"no answer within {check.patience:g} s", check.fix)
    except DatabaseRefused as error:
        found = failed(check.name, error.message, error.hint)
    except ApiError as error:
        found = failed(check.name, error.message, check.fix)
    except Exception as error:  # noqa: BLE001 - a broken thing may answer with anything
        found = failed(check.name, f"{type(error).__name__}: {error}", check.fix)
    took = round(time.monotonic() - started, 4)
    return [Finding(each.name, each.status, each.message, each.fix, took) for each in found]
