"""New passwords."""

from secureconnect.features.auth.rules import password_fault
from secureconnect.infra.crypto.hashing import PasswordHasher

__all__ = ["NewPasswords"]


class NewPasswords:
    """Implements `auth.api.Passwords`."""

    def __init__(self, hasher: PasswordHasher, *, shortest: int) -> None:
        self._hasher = hasher
        self._shortest = shortest

    def fault(self, password: str, *, username: str, email: str) -> str | None:
        return password_fault(password, username=username, email=email, shortest=self._shortest)

    async def hash(self, password: str) -> str:
        return await self._hasher.hash(password)
