"""Log lines have one form: a method taken from a logger at import would keep the form of that moment."""

import ast

from tests.architecture.house import modules

_METHODS = {"critical", "debug", "error", "exception", "info", "warning"}


def test_loggers_are_called_and_never_taken_apart() -> None:
    found = []
    for module in modules():
        tree = ast.parse(module.path.read_text("utf-8"))
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        found += [
            f"{module.name}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and node.attr in _METHODS
            and isinstance(node.value, ast.Name)
            and node.value.id in {"log", "_log"}
            and id(node) not in called
        ]
    assert found == []
