"""Whether what lies in the stores agrees with itself (docs/reference/data.md §6): for `doctor --deep`, for
`restore`, and for tests that break things.
"""

from secureconnect.app.invariants.check import Invariant, check_invariants

__all__ = ["Invariant", "check_invariants"]
