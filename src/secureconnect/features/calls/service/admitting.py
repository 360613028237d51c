"""What somebody needs to get into a call: ICE servers, the way to the signaling, and a pass of the SFU."""

from collections.abc import Awaitable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from secureconnect.edge.realtime.background import Background
from secureconnect.features.calls.rules import Talk
from secureconnect.infra.sfu.base import Sfu, SfuUnavailable
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.turn.base import IceServers
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Admission", "Admissions", "Ice", "IceServerObject", "SfuEntrance"]

log = get_logger()


class IceServerObject(Struct, frozen=True, kw_only=True):
    """A STUN or TURN server, as browsers take it."""

    urls: Annotated[list[str], Meta(min_length=1, max_length=8)]
    username: str | None
    credential: str | None
    credential_type: Literal["password"] = "password"


class SfuEntrance(Struct, frozen=True):
    """How to connect to the SFU; the token has to be used within `expires_in` seconds."""

    url: str
    token: str
    expires_in: int


class Ice(Struct, frozen=True):
    """STUN and TURN servers, good for so many seconds."""

    ice_servers: list[IceServerObject]
    ttl_seconds: int


class Admission(Struct, frozen=True):
    """How to get into a call; `sfu` only for calls through one."""

    ice_servers: list[IceServerObject]
    signaling_path: str
    sfu: SfuEntrance | None


class Admissions:
    """Gives out admissions, and keeps the rooms of the SFU as calls come and go."""

    def __init__(self, ice: IceServers, sfu: Sfu, background: Background, clock: Clock) -> None:
        self._ice = ice
        self._sfu = sfu
        self._background = background
        self._clock = clock

    @property
    def sfu_capacity(self) -> int | None:
        """How many a call through the SFU takes; None where there is no SFU."""
        return self._sfu.max_participants if self._sfu.configured else None

    def ice(self, user_id: str) -> Ice:
        """Servers with fresh credentials for one user."""
        grant = self._ice.for_user(user_id, self._clock.now())
        servers = [
            IceServerObject(
                urls=list(server.urls),
                username=server.username,
                credential=server.credential,
                credential_type=server.credential_type,
            )
            for server in grant.servers
        ]
        return Ice(servers, grant.ttl)

    def admit(self, talk: Talk, user_id: str) -> Admission:
        """For a participant of a call that goes on."""
        call = talk.call
        entrance = self.entrance(talk, user_id)
        return Admission(self.ice(user_id).ice_servers, f"/v1/ws/signaling?call_id={call.call_id}", entrance)

    def entrance(self, talk: Talk, user_id: str) -> SfuEntrance | None:
        """The pass of the SFU, for calls through it.

        Raises:
            ApiError: `SFU_UNAVAILABLE` when it was switched off meanwhile.
        """
        if talk.call.topology != "sfu":
            return None
        try:
            given = self._sfu.admit(talk.call.call_id, user_id, now=self._clock.now())
        except SfuUnavailable as error:
            raise _unavailable() from error
        return SfuEntrance(given.url, given.token, given.expires_in)

    async def open(self, call_id: str, capacity: int) -> None:
        """Make the room of a call that is about to begin.

        Raises:
            ApiError: `SFU_UNAVAILABLE`.
        """
        try:
            await self._sfu.open_room(call_id, max_participants=capacity)
        except SfuUnavailable as error:
            log.warning("no room for a call", reason=error.reason)
            raise _unavailable() from error

    def close(self, call_id: str) -> None:
        """End a room, some time soon; one that stays is given up by the SFU itself."""
        self._background.start(self._quietly(self._sfu.close_room(call_id)))

    def changed(self, before: Talk, after: Talk) -> None:
        """Put out of the room who is out of the call."""
        call = after.call
        if call.topology != "sfu" or (call == before.call and after.people == before.people):
            return
        if call.over:
            if not before.call.over:
                self.close(call.call_id)
            return
        for person in after.people.values():
            known = before.people.get(person.user_id)
            if known is not None and known.taking_part and not person.taking_part:
                self._background.start(self._quietly(self._sfu.remove(call.call_id, person.user_id)))

    async def _quietly(self, asked: Awaitable[None]) -> None:
        try:
            await asked
        except SfuUnavailable as error:
            log.warning("the SFU did not answer", reason=error.reason)


def _unavailable() -> ApiError:
    return ApiError(ErrorCode.SFU_UNAVAILABLE, "The SFU does not answer.", retry_after=2)
