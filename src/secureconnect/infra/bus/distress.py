"""Calling for help without the bus: a lease that says that hints of this process do not arrive."""

from typing import Final

from secureconnect.infra.leases.base import Leases

__all__ = ["LeasedDistress"]

_PREFIX: Final = "bus:"
_SECONDS: Final = 3.0


class LeasedDistress:
    """Implements `Distress`."""

    def __init__(self, leases: Leases, process: str) -> None:
        self._leases = leases
        self._name = _PREFIX + process

    async def call(self) -> None:
        await self._leases.take([self._name], _SECONDS)

    async def heard(self) -> bool:
        return await self._leases.held_elsewhere(_PREFIX)
