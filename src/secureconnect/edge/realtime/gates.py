"""The doors of all sockets of a process, by path."""

from collections.abc import Callable, Mapping

from secureconnect.edge.realtime.base import Admission, Gate, Refusal, UpgradeRequest
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Gates"]


class Gates:
    """The Gate of a process that opens several kinds of sockets, or none.

    Args:
        gates: by path.
        render: makes the HTTP answer of a refusal on any other path.
    """

    def __init__(
        self, gates: Mapping[str, Gate], render: Callable[[UpgradeRequest, ApiError], Refusal]
    ) -> None:
        self._gates = gates
        self._render = render

    async def admit(self, request: UpgradeRequest) -> Admission:
        """As the gate of the path does. Raises ApiError `NOT_FOUND` where there is none."""
        gate = self._gates.get(request.path)
        if gate is None:
            raise ApiError(ErrorCode.NOT_FOUND, "There is no such route.")
        return await gate.admit(request)

    def refuse(self, request: UpgradeRequest, error: ApiError) -> Refusal:
        """As the gate of the path does."""
        gate = self._gates.get(request.path)
        return self._render(request, error) if gate is None else gate.refuse(request, error)
