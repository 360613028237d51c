"""No server that forwards media: calls are meshes."""

from typing import NoReturn

from secureconnect.infra.sfu.base import SfuUnavailable, WebhookRefused

__all__ = ["NoSfu"]


class NoSfu:
    """Implements `Sfu` where `sfu.livekit_url` is empty."""

    configured = False
    max_participants = 0

    async def open_room(self, _: str, *, max_participants: int) -> NoReturn:  # noqa: ARG002
        _unavailable()

    async def rooms(self) -> NoReturn:
        _unavailable()

    def admit(self, _: str, __: str, *, now: int) -> NoReturn:  # noqa: ARG002
        _unavailable()

    async def participants(self, _: str) -> NoReturn:
        _unavailable()

    async def remove(self, _: str, __: str) -> NoReturn:
        _unavailable()

    async def close_room(self, _: str) -> NoReturn:
        _unavailable()

    def read_webhook(self, _: bytes, __: str, *, now: int) -> NoReturn:  # noqa: ARG002
        raise WebhookRefused

    async def ping(self) -> None:
        return None

    async def close(self) -> None:
        """Nothing is open."""


def _unavailable() -> NoReturn:
    raise SfuUnavailable("no server is configured")
