"""`bench`: load on a server from outside, with what it promised checked (docs/reference/operations.md §1)."""

from secureconnect.app.load.run import Plan, measure

__all__ = ["Plan", "measure"]
