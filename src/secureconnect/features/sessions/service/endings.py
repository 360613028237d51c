"""How the sockets of an ended session close (docs/reference/realtime.md §9)."""

__all__ = ["close_of"]

_REVOKED = 4003
_BANNED = 4004


def close_of(reason: str | None) -> int:
    """The close code for a session that was revoked for `reason`."""
    return _BANNED if reason == "ban" else _REVOKED
