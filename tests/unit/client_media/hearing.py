"""What is heard on a track."""

from aiortc import MediaStreamTrack
from av import AudioFrame

__all__ = ["hertz"]

_SETTLING = 10  # frames, until the jitter buffer runs and the codec has found its way


async def hertz(track: MediaStreamTrack, frames: int = 50) -> float:
    """The frequency of a tone, from how often it passes zero in so many frames of 20 ms."""
    for _ in range(_SETTLING):
        await track.recv()
    passes = samples = 0
    before = 0
    for _ in range(frames):
        frame = await track.recv()
        assert isinstance(frame, AudioFrame)
        values = memoryview(bytes(frame.planes[0])).cast("h")[:: len(frame.layout.channels)]
        values = values[: frame.samples]
        for value in values:
            passes += (value >= 0) != (before >= 0)
            before = value
        samples += len(values)
        rate = frame.sample_rate
    return passes / 2 / (samples / rate)
