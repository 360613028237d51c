"""Uploads that survive broken connections."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from secureconnect.client.errors import ApiFailure, Conflict, ConnectionLost
from secureconnect.client.models.files import File, NewUpload, RenewedParts, UploadState
from secureconnect.client.retry import RetryPolicy
from secureconnect.client.transfer import Transfer

__all__ = ["Uploader", "Uploads"]

# Parts whose URLs are asked for together.
_AT_ONCE = 20


class Uploads(Protocol):
    """The calls that an upload needs."""

    async def state(self, file_id: str) -> UploadState: ...

    async def renew_parts(self, file_id: str, part_numbers: Sequence[int]) -> RenewedParts: ...

    async def complete(self, file_id: str) -> File: ...


class Uploader:
    """Sends bytes until all of them are there, or until nothing moves for as long as the policy waits."""

    def __init__(
        self,
        uploads: Uploads,
        transfer: Transfer,
        retry: RetryPolicy,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._uploads = uploads
        self._transfer = transfer
        self._retry = retry
        self._sleep = sleep

    async def send(self, new: NewUpload, source: Path, size: int) -> File:
        """Send a file whose upload was admitted just now."""
        if new.multipart is None:
            return await self._whole(new, source, size)
        urls = {one.part_number: one.url for one in new.multipart.parts}
        sizes = _sizes(size, new.multipart.part_size)
        return await self._parts(new.file_id, source, sizes, urls, set())

    async def go_on(self, state: UploadState, source: Path) -> File:
        """Send the parts that are missing."""
        assert state.part_size is not None
        sizes = _sizes(state.file.file_size, state.part_size)
        return await self._parts(state.file.file_id, source, sizes, {}, _there(state, sizes))

    async def pause(self, error: Exception, attempt: int) -> int:
        """Wait before the next attempt and return its number; raises `error` when that is enough."""
        pause = self._retry.wait(error, attempt, repeatable=True)
        if pause is None:
            raise error
        await self._sleep(pause)
        return attempt + 1

    async def _whole(self, new: NewUpload, source: Path, size: int) -> File:
        assert new.upload_url is not None
        attempt = 0
        while True:
            try:
                await self._transfer.put(new.upload_url, source, start=0, size=size, headers=new.headers)
            except (ConnectionLost, ApiFailure) as error:
                # They may have arrived, and then no others are accepted.
                done = await self._completed(new.file_id)
                if done is not None:
                    return done
                attempt = await self.pause(error, attempt)
            else:
                return await self._uploads.complete(new.file_id)

    async def _completed(self, file_id: str) -> File | None:
        try:
            return await self._uploads.complete(file_id)
        except Conflict as error:
            if error.code != "UPLOAD_INCOMPLETE":
                raise
            return None

    async def _parts(
        self, file_id: str, source: Path, sizes: Sequence[int], urls: dict[int, str], there: set[int]
    ) -> File:
        attempt = 0
        while missing := [number for number in range(1, len(sizes) + 1) if number not in there]:
            try:
                if missing[0] not in urls:
                    renewed = await self._uploads.renew_parts(file_id, missing[:_AT_ONCE])
                    urls = {one.part_number: one.url for one in renewed.parts}
                number = missing[0]
                start = (number - 1) * sizes[0]
                await self._transfer.put(urls[number], source, start=start, size=sizes[number - 1])
            except (ConnectionLost, ApiFailure) as error:
                ended = isinstance(error, ApiFailure) and error.code == "URL_SIGNATURE_INVALID"
                # A URL that ended is no failure of the network: a new one is asked for, once.
                attempt = attempt + 1 if ended and not attempt else await self.pause(error, attempt)
                there, urls = _there(await self._uploads.state(file_id), sizes), {}
            else:
                there = there | {number}
                attempt = 0
        return await self._uploads.complete(file_id)


def _sizes(size: int, part_size: int) -> list[int]:
    whole, rest = divmod(size, part_size)
    return [part_size] * whole + ([rest] if rest else [])


def _there(state: UploadState, sizes: Sequence[int]) -> set[int]:
    """The parts that lie in the store completely."""
    return {
        part.part_number
        for part in state.uploaded_parts
        if part.part_number <= len(sizes) and sizes[part.part_number - 1] == part.size
    }
