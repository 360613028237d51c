"""What calls count; implemented where the process keeps its metrics."""

from typing import Literal, Protocol

__all__ = ["CallMetrics"]


class CallMetrics(Protocol):
    """Called on the event loop or after a commit; must neither block nor raise."""

    def call_started(self, call_type: str, topology: str) -> None:
        """A call began to ring."""

    def call_over(self, call_type: str, status: str, duration: int | None) -> None:
        """A call reached its final state; `duration` in seconds, None when nobody answered."""

    def calls_running(self, count: int) -> None:
        """So many calls ring or go on."""

    def call_capacity_rejected(self, at: Literal["initiate", "join"]) -> None:
        """Somebody did not fit in."""

    def call_recovered(self) -> None:
        """A lost socket came back in time."""

    def call_recovery_failed(self) -> None:
        """A lost socket did not."""

    def signaled(self, type_: str) -> None:
        """One frame was relayed."""
