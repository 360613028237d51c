"""An expected end: a command could not do its work, and says so without a traceback."""

__all__ = ["Failure"]


class Failure(Exception):
    """What went wrong and what to do next.

    `exit_code`: 1 failed, 2 wrong usage or settings, 3 a dependency is not usable
    (docs/reference/operations.md §1).
    """

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
