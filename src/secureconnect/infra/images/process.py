"""Images in a process of its own, which starts with the first picture and is replaced when it fails."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import Final

from secureconnect.infra.images.base import PictureRefused
from secureconnect.infra.images.exchange import ANSWER, REQUEST, SECONDS, WORKER
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["ImageProcess"]

log = get_logger()

# The fork ends itself earlier; this is for a process that does not answer at all.
_SILENCE: Final = SECONDS + 2.0


class ImageProcess:
    """Implements `Images`, one picture at a time."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def shrink(self, data: bytes, *, side: int) -> bytes:
        async with self._lock:
            process = await self._started()
            try:
                async with asyncio.timeout(_SILENCE):
                    made = await _exchange(process, data, side)
            except TimeoutError:
                await self._stop()
                raise PictureRefused("took too long") from None
            except (OSError, asyncio.IncompleteReadError) as error:
                await self._stop()
                raise _unavailable() from error
            except BaseException:  # what the process sends now belongs to nobody
                await self._stop()
                raise
        if made is None:
            raise PictureRefused("not a picture that can be shrunk")
        return made

    async def close(self) -> None:
        async with self._lock:
            await self._stop()

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-I",
                    "-m",
                    WORKER,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as error:
                log.warning("pictures cannot be shrunk", exception=type(error).__name__)
                raise _unavailable() from error
        return self._process

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):  # with the fork that may run
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


async def _exchange(process: asyncio.subprocess.Process, data: bytes, side: int) -> bytes | None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(REQUEST.pack(side, len(data)))
    process.stdin.write(data)
    await process.stdin.drain()
    made, length = ANSWER.unpack(await process.stdout.readexactly(ANSWER.size))
    webp = await process.stdout.readexactly(length)
    return webp if made else None


def _unavailable() -> ApiError:
    return ApiError(ErrorCode.SERVICE_UNAVAILABLE, "Pictures cannot be shrunk now.", retry_after=5)
