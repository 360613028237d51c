"""The source as a list of modules with what each imports of ours."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["ROOT", "SOURCE", "Module", "modules"]

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "secureconnect"
_PACKAGE = "secureconnect"


class Module(NamedTuple):
    """`name` is the dotted name below the package; `imports` are those of ours, below the package too."""

    path: Path
    name: str
    lines: int
    imports: frozenset[str]

    @property
    def parts(self) -> list[str]:
        return self.name.split(".") if self.name else []


@cache
def modules() -> tuple[Module, ...]:
    """Every Python file of the package."""
    return tuple(_module(path) for path in sorted(SOURCE.rglob("*.py")))


def _module(path: Path) -> Module:
    text = path.read_text("utf-8")
    parts = path.relative_to(SOURCE).with_suffix("").parts
    name = ".".join(part for part in parts if part != "__init__")
    return Module(path, name, text.count("\n"), frozenset(_imports(ast.parse(text))))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == _PACKAGE:
            base = (node.module or "").removeprefix(_PACKAGE).lstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".lstrip(".")
                target = SOURCE.joinpath(*inner.split("."))
                yield inner if target.is_dir() or target.with_suffix(".py").is_file() else base
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == _PACKAGE:
                    yield alias.name.removeprefix(_PACKAGE).lstrip(".")
