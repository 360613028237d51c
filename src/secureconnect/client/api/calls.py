"""Calls (HTTP reference §12)."""

from collections.abc import Sequence

import msgspec

from secureconnect.client.api.request import Nothing, given, path
from secureconnect.client.http import Http
from secureconnect.client.models.base import Page
from secureconnect.client.models.calls import (
    Call,
    CallEntry,
    IceServer,
    MyCall,
    Recording,
    SfuEntrance,
)

__all__ = ["CallsApi"]


class _Placed(Call, frozen=True, kw_only=True):
    ice_servers: list[IceServer]
    sfu: SfuEntrance | None = None


class _IceServers(msgspec.Struct):
    ice_servers: list[IceServer]


class _Invited(msgspec.Struct):
    invited: list[str]


class _Recorded(msgspec.Struct):
    recording_id: str


class _Recordings(msgspec.Struct):
    recordings: list[Recording]


class CallsApi:
    """`client.calls`. Media is another thing: `Client.signaling`, and `secureconnect.client.media`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def initiate(
        self,
        conversation_id: str,
        callee_ids: Sequence[str],
        *,
        call_type: str = "audio",
        topology: str = "auto",
    ) -> CallEntry:
        """Call some of the members of a conversation; their devices ring.

        Raises:
            InvalidRequest: too many for the topology (`CALL_CAPACITY_REACHED`), or somebody is no member.
            Conflict: the conversation has a running call.
        """
        body = {
            "conversation_id": conversation_id,
            "callee_ids": list(callee_ids),
            "call_type": call_type,
            "topology": topology,
        }
        placed = await self._http.call("POST", "/v1/calls/initiate", _Placed, json=body, once=True)
        fields = {name: getattr(placed, name) for name in Call.__struct_fields__}
        return CallEntry(call=Call(**fields), ice_servers=placed.ice_servers, sfu=placed.sfu)

    async def join(self, call_id: str, *, takeover: bool = False) -> CallEntry:
        """Answer; with `takeover` also when another session of the user did, which is then out.

        Raises:
            Conflict: the call is over, or another session answered.
        """
        target = path("/v1/calls/{}/join", call_id)
        return await self._http.call("POST", target, CallEntry, json={"takeover": takeover}, repeatable=True)

    async def invite(self, call_id: str, user_ids: Sequence[str]) -> Sequence[str]:
        """Call more members; those for whom it begins to ring."""
        target, body = path("/v1/calls/{}/invite", call_id), {"user_ids": list(user_ids)}
        return (await self._http.call("POST", target, _Invited, json=body, repeatable=True)).invited

    async def decline(self, call_id: str, *, reason: str | None = None) -> None:
        """Do not answer; `reason` is declined or busy."""
        body = {"reason": reason} if reason else {}
        await self._http.call("POST", path("/v1/calls/{}/decline", call_id), Nothing, json=body, once=True)

    async def leave(self, call_id: str) -> None:
        """Hang up; a call between two is then over."""
        await self._http.call("POST", path("/v1/calls/{}/leave", call_id), Nothing, repeatable=True)

    async def end(self, call_id: str) -> None:
        """End the call for everybody: its caller, admins, and both sides of a call between two."""
        await self._http.call("POST", path("/v1/calls/{}/end", call_id), Nothing, repeatable=True)

    async def get(self, call_id: str) -> Call:
        """One call."""
        return await self._http.call("GET", path("/v1/calls/{}", call_id), Call)

    async def list(
        self,
        *,
        conversation_id: str | None = None,
        status: str | None = None,
        direction: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[MyCall]:
        """The user's calls, newest first; `direction` is incoming or outgoing."""
        filters = {"conversation_id": conversation_id, "status": status, "direction": direction}
        query = {name: value for name, value in filters.items() if value is not None}
        return await self._http.page("/v1/calls", "calls", MyCall, cursor=cursor, limit=limit, query=query)

    async def ice_servers(self) -> Sequence[IceServer]:
        """The TURN and STUN servers, with fresh credentials."""
        return (await self._http.call("GET", "/v1/calls/ice-servers", _IceServers)).ice_servers

    async def rate(self, call_id: str, rating: int, comment: str | None = None) -> None:
        """How it was, from bad (1) to good (5)."""
        body = given(rating=rating, comment=comment if comment is not None else msgspec.UNSET)
        await self._http.call(
            "POST", path("/v1/calls/{}/rating", call_id), Nothing, json=body, repeatable=True
        )

    async def add_recording(self, call_id: str, file_id: str) -> str:
        """Give the conversation an own file as recording of the call; the id of the recording."""
        target, body = path("/v1/calls/{}/recordings", call_id), {"file_id": file_id}
        return (await self._http.call("POST", target, _Recorded, json=body, once=True)).recording_id

    async def recordings(self, call_id: str) -> Sequence[Recording]:
        """What was recorded."""
        return (
            await self._http.call("GET", path("/v1/calls/{}/recordings", call_id), _Recordings)
        ).recordings
