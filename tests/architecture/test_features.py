"""A feature's rooms: which files it may have, and what each may import (CONTRIBUTING.md)."""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.architecture.house import Module, modules

#: Room → what it may import besides `kit`: `own` files, `apis` of other features, or modules by prefix.
ROOMS: dict[str, tuple[str, ...]] = {
    "__init__": (),
    "api": ("apis", "infra.*.base"),
    "rules": ("own", "apis"),
    "store": ("own", "apis", "infra.database.base", "infra.timeline.base"),
    "service": (
        "own",
        "apis",
        "infra.*.base",
        "infra.crypto",
        "infra.telemetry",
        # What goes out over sockets is rendered where it is decided; HTTP is none of a service's business.
        "edge.realtime",
        "edge.validation",
    ),
    # What the feature keeps about one person, for exports and erasure.
    "belongings": ("own", "apis", "infra.*.base", "infra.database.personal"),
    "http": ("own", "apis", "edge.http", "edge.realtime.base", "edge.validation"),
    "socket": ("own", "apis", "infra.bus.base", "edge.realtime", "edge.validation"),
    "tasks": ("own", "apis", "infra.*.base", "infra.telemetry", "edge.module"),
    "module": ("own", "apis", "edge", "infra.*.base", "infra.telemetry"),
}

FEATURES = [module for module in modules() if module.parts[:1] == ["features"] and len(module.parts) > 1]


def room(module: Module) -> str:
    """A room that outgrows one file is a folder of the same name."""
    return module.parts[2] if len(module.parts) > 2 else "__init__"


def allowed(module: Module, imported: str) -> bool:
    parts = imported.split(".")
    if parts[0] == "kit":
        return True
    for rule in ROOMS[room(module)]:
        if rule == "own" and parts[:2] == list(module.parts[:2]):
            return True
        if rule == "apis" and parts[0] == "features" and parts[2:3] == ["api"]:
            return True
        wanted = rule.split(".")
        if len(parts) >= len(wanted) and all(w in ("*", p) for w, p in zip(wanted, parts, strict=False)):
            return True
    return False


def test_features_have_only_the_known_rooms() -> None:
    assert [module.name for module in FEATURES if room(module) not in ROOMS] == []


@pytest.mark.parametrize("module", [m for m in FEATURES if room(m) in ROOMS], ids=lambda m: m.name)
def test_each_room_imports_what_it_may(module: Module) -> None:
    assert sorted(imported for imported in module.imports if not allowed(module, imported)) == []


def neighbours() -> Iterator[tuple[str, str]]:
    for module in FEATURES:
        for imported in module.imports:
            parts = imported.split(".")
            if parts[0] == "features" and len(parts) > 1 and parts[1] != module.parts[1]:
                yield module.parts[1], parts[1]


def test_features_do_not_depend_on_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for feature, needed in neighbours():
        graph.setdefault(feature, set()).add(needed)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"{' → '.join(error.args[1])}")
