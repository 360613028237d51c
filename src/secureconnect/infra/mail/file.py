"""Mail into a directory, one `.eml` each, until a server is configured (docs/reference/operations.md §2)."""

import asyncio
import os
import secrets
from email import policy
from email.parser import BytesParser
from email.utils import parseaddr
from pathlib import Path

from secureconnect.infra.mail.base import Mail, MailDelayed
from secureconnect.infra.mail.mime import mime_bytes

__all__ = ["FileMail"]


class FileMail:
    """Writes `<directory>/<mail_id>.eml`, whole or not at all; the same mail again is the same file.

    Args:
        directory: made with mode 0700 when the first mail comes; files are 0600.
        sender, host: see `mime_bytes`.
    """

    def __init__(self, directory: Path, *, sender: str, host: str) -> None:
        self._directory = directory
        self._sender = sender
        self._host = host

    async def send(self, mail: Mail) -> None:
        content = mime_bytes(mail, sender=self._sender, host=self._host)
        try:
            await asyncio.to_thread(self._write, f"{mail.mail_id}.eml", content)
        except OSError as error:
            raise MailDelayed(f"cannot be written: {error.strerror}", unreachable=True) from error

    async def ping(self) -> float | None:
        return None

    async def forget(self, address: str) -> int:
        return await asyncio.to_thread(self._forget, address.lower())

    def _forget(self, address: str) -> int:
        removed = 0
        for path in self._directory.glob("*.eml"):
            with path.open("rb") as file:
                to = BytesParser(policy=policy.default).parse(file, headersonly=True).get("To", "")
            if parseaddr(str(to))[1].lower() == address:
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _write(self, name: str, content: bytes) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._directory / f".{name}.{secrets.token_hex(4)}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, for its mode
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._directory / name)
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
