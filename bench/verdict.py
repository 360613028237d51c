"""What was reached beside what was promised."""

from typing import NamedTuple

__all__ = ["Verdict"]


class Verdict(NamedTuple):
    """One figure, in the unit that `what` names, and the highest value that it may have."""

    what: str
    reached: float
    bound: float

    @property
    def met(self) -> bool:
        """Whether the promise holds in this run."""
        return self.reached <= self.bound

    def row(self) -> list[object]:
        """For a table with the columns what, target, reached, verdict."""
        return [self.what, f"≤ {self.bound:.3g}", float(self.reached), "met" if self.met else "MISSED"]
