"""A tone, as a track of a call."""

import array
import asyncio
import fractions
import math
import time

from aiortc import MediaStreamTrack
from av import AudioFrame

__all__ = ["Tone"]

_RATE = 48_000
_SAMPLES = 960  # 20 ms, what one packet of Opus carries
_TIME_BASE = fractions.Fraction(1, _RATE)


class Tone(MediaStreamTrack):
    """A sine of `hertz` (whole ones, so that each second joins the next) at half of the full volume."""

    kind = "audio"

    def __init__(self, hertz: int = 440) -> None:
        super().__init__()
        step = 2 * math.pi * hertz / _RATE
        second = array.array("h", (round(16_000 * math.sin(step * at)) for at in range(_RATE)))
        self._second = second.tobytes()
        self._sent = 0
        self._started = 0.0

    async def recv(self) -> AudioFrame:
        """The next 20 ms, when it is time for them."""
        if self._sent == 0:
            self._started = time.monotonic()
        due = self._started + self._sent / _RATE
        if (pause := due - time.monotonic()) > 0:
            await asyncio.sleep(pause)
        frame = AudioFrame(format="s16", layout="mono", samples=_SAMPLES)
        start = self._sent % _RATE * 2
        frame.planes[0].update(self._second[start : start + _SAMPLES * 2])
        frame.sample_rate = _RATE
        frame.pts = self._sent
        frame.time_base = _TIME_BASE
        self._sent += _SAMPLES
        return frame
