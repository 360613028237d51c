"""What every request to a store has in common: it is counted, timed, and its faults become one answer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from secureconnect.infra.blobs.base import BlobMetrics, StoreAnswer
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Measuring", "unavailable"]

log = get_logger()

RETRY_AFTER = 5


def unavailable(message: str = "The object store does not answer.") -> ApiError:
    """`STORAGE_UNAVAILABLE`."""
    return ApiError(ErrorCode.STORAGE_UNAVAILABLE, message, retry_after=RETRY_AFTER)


class Measuring:
    """Counts operations of one store.

    Args:
        metrics: told of every operation; None measures nothing.
        faults: exceptions that say that the store is away, full or refuses; they become
            `STORAGE_UNAVAILABLE`, and the log has the cause.
    """

    def __init__(self, metrics: BlobMetrics | None, faults: tuple[type[Exception], ...]) -> None:
        self._metrics = metrics
        self._faults = faults

    @contextmanager
    def operation(self, name: str) -> Iterator[None]:
        """One operation for the length of the block."""
        started = time.perf_counter()
        ok = False
        try:
            with self.faults(name):
                yield
            ok = True
        except StoreAnswer:
            ok = True
            raise
        except ApiError as error:  # a client that left, for one
            ok = error.code is not ErrorCode.STORAGE_UNAVAILABLE
            raise
        finally:
            if self._metrics is not None:
                self._metrics.object_store(name, ok=ok, seconds=time.perf_counter() - started)

    @contextmanager
    def faults(self, name: str) -> Iterator[None]:
        """A step of an operation that is counted elsewhere."""
        try:
            yield
        except self._faults as fault:
            # The text of a fault may hold addresses and keys: the kind says enough.
            log.warning("object store request failed", operation=name, reason=type(fault).__name__)
            raise unavailable() from fault
