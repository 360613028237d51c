"""Pushes into a file, one JSON object per line, until their provider is configured
(docs/reference/operations.md §2).
"""

import asyncio
import os
from pathlib import Path

import msgspec

from secureconnect.infra.push.base import Push, PushDelayed, Target, masked
from secureconnect.kit.clock import rfc3339

__all__ = ["FilePush"]


class FilePush:
    """Appends to `path`, made with mode 0600. The same push again is no second line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = asyncio.Lock()

    async def check(self, target: Target) -> None:
        """Only the provider knows."""

    async def send(self, target: Target, push: Push) -> None:
        line = msgspec.json.encode(
            {
                "delivery_id": push.push_id,
                "timestamp": rfc3339(push.written_at),
                "type": target.provider,
                "token_id": target.token_id,
                "token": masked(target.token),
                "user_id": target.user_id,
                "kind": push.kind,
                "title": push.title,
                "body": push.body,
                "badge": push.badge,
                "urgent": push.urgent,
                "data": push.data,
            }
        )
        try:
            async with self._lock:
                await asyncio.to_thread(self._append, push, line)
        except OSError as error:
            raise PushDelayed(f"cannot be written: {error.strerror}", unreachable=True) from error

    async def close(self) -> None:
        return None

    def _append(self, push: Push, line: bytes) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with open(descriptor, "ab+") as file:  # noqa: PTH123 - a descriptor, for its mode
            if push.repeat and self._written(push.push_id):
                return
            end = file.seek(0, os.SEEK_END)
            if end and os.pread(descriptor, 1, end - 1) != b"\n":
                line = b"\n" + line  # a power cut left half a line
            file.write(line + b"\n")
            file.flush()
            os.fsync(descriptor)

    def _written(self, push_id: str) -> bool:
        start, end = f'{{"delivery_id":"{push_id}"'.encode(), b"}\n"
        with self._path.open("rb") as lines:
            return any(line.startswith(start) and line.endswith(end) for line in lines)
