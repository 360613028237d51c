"""How every route is called rightly, and what strangers try on it; one file per area.

A file gives `CASES` (operation → its right call). It may give `OPEN` (operations that answer strangers,
with the status), `REFUSED` (operations that cannot succeed without a set-up of their own, with the status)
and `ids` (ids of A's that strangers name, by the name of the field or parameter).
"""

import importlib
import pkgutil
from typing import Any

from tests.scenarios.routes.world import Case
from tests.scenarios.steps import Person

__all__ = ["CASES", "OPEN", "REFUSED", "stranger_ids"]

_areas: list[Any] = [
    importlib.import_module(f"{__name__}.{found.name}")
    for found in pkgutil.iter_modules(__path__)
    if found.name != "world"
]
CASES: dict[str, Case] = {name: case for area in _areas for name, case in area.CASES.items()}
REFUSED: dict[str, int] = {
    name: status for area in _areas for name, status in getattr(area, "REFUSED", {}).items()
}
OPEN: dict[str, int] = {name: status for area in _areas for name, status in getattr(area, "OPEN", {}).items()}


async def stranger_ids(a: Person, b: Person, g: str) -> dict[str, str]:
    """Ids of A's in the group `g` that B is in too."""
    found: dict[str, str] = {}
    for area in _areas:
        if hasattr(area, "ids"):
            found |= await area.ids(a, b, g)
    return found
