"""How long fault tests run, and from which seed; both can be set to repeat a run."""

import os

__all__ = ["LONG", "SEED", "faults", "kills"]

#: `FAULTS=long`: what takes minutes runs as well. Without it a run is bounded.
LONG = os.environ.get("FAULTS") == "long"

#: `SECURECONNECT_FAULT_SEED`: decides every random moment.
SEED = int(os.environ.get("SECURECONNECT_FAULT_SEED", "20260131"))


def kills(usual: int, long: int = 50) -> int:
    """How often to kill: `SECURECONNECT_FAULT_KILLS`, else `long` with `FAULTS=long`, else `usual`."""
    chosen = os.environ.get("SECURECONNECT_FAULT_KILLS")
    if chosen is not None:
        return int(chosen)
    return long if LONG else usual


def faults(usual: int, long: int = 200) -> int:
    """The same for random faults: `SECURECONNECT_FAULTS`, else as above."""
    chosen = os.environ.get("SECURECONNECT_FAULTS")
    return int(chosen) if chosen is not None else kills(usual, long)
