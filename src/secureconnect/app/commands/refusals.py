"""What stores and features refuse, as an expected end of a command."""

from collections.abc import Iterator
from contextlib import contextmanager

from secureconnect.app.failure import Failure

__all__ = ["refusals"]


@contextmanager
def refusals() -> Iterator[None]:
    """Turn refusals into `Failure`: exit code 3 when a store is not usable, else 1."""
    from secureconnect.infra.database.base import DatabaseRefused
    from secureconnect.kit.errors import ApiError

    try:
        yield
    except DatabaseRefused as error:
        raise Failure(f"{error.message}\n{error.hint}", exit_code=3) from error
    except ApiError as error:
        faults = "".join(f"\n  {detail.field}: {detail.message}" for detail in error.details)
        raise Failure(f"{error.message}{faults}", exit_code=3 if error.code.status == 503 else 1) from error
