"""What is heard on a track."""

import statistics

from aiortc import MediaStreamTrack
from av import AudioFrame

__all__ = ["hertz"]

_SETTLING = 10  # frames, until the jitter buffer runs and the codec has found its way


async def hertz(track: MediaStreamTrack, frames: int = 50) -> float:
    """The frequency of a tone, from the usual time between its passes through zero in some frames of 20 ms.

    Gaps, as a machine without time for everybody makes them, do not count.
    """
    for _ in range(_SETTLING):
        await track.recv()
    periods: list[int] = []
    rate, at, last, before = 0, 0, None, 0
    for _ in range(frames):
        frame = await track.recv()
        assert isinstance(frame, AudioFrame)
        values = memoryview(bytes(frame.planes[0])).cast("h")[:: len(frame.layout.channels)]
        for value in values[: frame.samples]:
            if before < 0 <= value:
                if last is not None:
                    periods.append(at - last)
                last = at
            before = value
            at += 1
        rate = frame.sample_rate
    return rate / statistics.median(periods)
