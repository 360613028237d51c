"""A stand-in for a feature that is built later than one that needs it."""

from typing import Any

__all__ = ["Late"]


class Late:
    """Passes everything on to `source` once that is set; to be cast to the protocol that `source` has.

    Features form no circle in their imports; at run time two of them may still need each other.
    """

    def __init__(self) -> None:
        self.source: object | None = None

    def __getattr__(self, name: str) -> Any:
        if self.source is None:
            raise RuntimeError(f"{name} is asked for before its feature was built")
        return getattr(self.source, name)
