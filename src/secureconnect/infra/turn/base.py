"""The port of the servers that help media through NATs."""

from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

__all__ = ["IceGrant", "IceServer", "IceServers"]


class IceServer(Struct, frozen=True, kw_only=True):
    """One entry of what browsers take as `iceServers`; `urls` has 1 to 8 of them (RFC 7064, RFC 7065)."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None
    credential_type: Literal["password"] = "password"

    def __repr__(self) -> str:
        return f"IceServer({self.urls!r}, {self.username!r})"


class IceGrant(NamedTuple):
    """`servers` may be used for `ttl` seconds. Empty `servers`: the server has none, peers meet directly."""

    servers: tuple[IceServer, ...]
    ttl: int


class IceServers(Protocol):
    """Which servers a user may use now. Answers from what the process knows: asks nobody, never fails."""

    def for_user(self, user_id: str, now: int) -> IceGrant:
        """Fresh credentials for one user; `now` in milliseconds since the epoch."""
