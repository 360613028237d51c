"""Files are small, have names from the field, and say what they offer."""

import importlib

import pytest

from tests.architecture.house import SOURCE, Module, modules

MAX_LINES = 400
NAMES_THAT_SAY_NOTHING = {
    "base_utils",
    "common",
    "helper",
    "helpers",
    "lib",
    "manager",
    "misc",
    "shared",
    "util",
    "utils",
}


def test_no_file_is_long() -> None:
    assert {module.name: module.lines for module in modules() if module.lines > MAX_LINES} == {}


def test_names_come_from_the_field() -> None:
    assert [module.name for module in modules() if set(module.parts) & NAMES_THAT_SAY_NOTHING] == []


def test_every_folder_says_what_it_owns() -> None:
    folders = {path.parent for path in SOURCE.rglob("*.py")}
    silent = [
        str(folder.relative_to(SOURCE))
        for folder in folders
        if not (folder / "__init__.py").is_file()
        or not (folder / "__init__.py").read_text().startswith('"""')
    ]
    assert silent == []


@pytest.mark.parametrize("module", [m for m in modules() if m.parts != ["__main__"]], ids=lambda m: m.name)
def test_every_promised_name_exists(module: Module) -> None:
    loaded = importlib.import_module(f"secureconnect.{module.name}".rstrip("."))
    promised = getattr(loaded, "__all__", None)
    if promised is None:
        own = [
            name
            for name, value in vars(loaded).items()
            if getattr(value, "__module__", None) == loaded.__name__
        ]
        assert own == [], "a module that defines something says what of it is public (__all__)"
    else:
        assert [name for name in promised if not hasattr(loaded, name)] == []
        assert len(promised) == len(set(promised))
