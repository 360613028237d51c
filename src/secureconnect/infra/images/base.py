"""The Images port: small pictures made of large ones that nobody vouches for (docs/reference/rules.md §9)."""

from typing import Final, Protocol

__all__ = ["MAX_PIXELS", "Images", "PictureRefused"]

#: Larger pictures are refused before they are decoded.
MAX_PIXELS: Final = 50_000_000


class PictureRefused(Exception):
    """No JPEG, PNG, GIF or WebP that can be read, or one with too many pixels, or too costly to decode."""


class Images(Protocol):
    """Shrinks pictures.

    Guarantees: whatever the bytes are, the memory and the time of one call are bounded, the server goes on,
    and calls wait for each other rather than run together.
    """

    async def shrink(self, data: bytes, *, side: int) -> bytes:
        """A WebP whose sides have at most `side` pixels: turned upright, the first frame of several, without
        metadata. Smaller pictures keep their size.

        Raises:
            PictureRefused: nothing can be made of these bytes.
            ApiError: `SERVICE_UNAVAILABLE` when pictures cannot be shrunk at all.
        """

    async def close(self) -> None:
        """Release what is held."""
