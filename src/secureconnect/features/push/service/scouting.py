"""Which pushes are tried again and again while whoever takes them is away, so that the return is noticed."""

from typing import Final

from secureconnect.kit.clock import Clock

__all__ = ["PAUSE", "Scouts"]

#: Seconds between two attempts of a scout.
PAUSE: Final = 2.0
#: Seconds without an attempt, after which another push takes the place of a scout.
_LOST: Final = 15.0
#: Seconds after which a single host is given up as a subject of such haste: some never come back.
_HASTE: Final = 600.0
#: Seconds after which an outage is another one.
_OVER: Final = 3600.0
_MOST: Final = 8


class _Scout:
    def __init__(self, job_id: str, now: float) -> None:
        self.job_id = job_id
        self.since = self.seen = now


class Scouts:
    """One push for each provider or host that is away, and few at once: each attempt costs three writes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._scouts: dict[str, _Scout] = {}

    def includes(self, where: str, job_id: str, *, for_ever: bool) -> bool:
        """Whether this push, which failed there, is tried again after `PAUSE`; `for_ever`: however long."""
        now = self._clock.monotonic()
        scout = self._scouts.get(where)
        if scout is None or now - scout.seen > _OVER:
            self._scouts = {key: one for key, one in self._scouts.items() if now - one.seen <= _LOST}
            if len(self._scouts) >= _MOST:
                return False
            scout = self._scouts[where] = _Scout(job_id, now)
        elif scout.job_id != job_id:
            if now - scout.seen <= _LOST:
                return False
            scout.job_id = job_id
        scout.seen = now
        return for_ever or now - scout.since < _HASTE

    def back(self, job_id: str) -> bool:
        """A push got through; whether it was a scout, so that others wait for the news."""
        found = [where for where, scout in self._scouts.items() if scout.job_id == job_id]
        for where in found:
            del self._scouts[where]
        return bool(found)
