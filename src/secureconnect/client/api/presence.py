"""Presence without a socket (HTTP reference §10)."""

from collections.abc import Sequence

from secureconnect.client.api.request import UNSET, given
from secureconnect.client.http import Http, Json, part
from secureconnect.client.models.people import Presence, PresenceLease

__all__ = ["PresenceApi"]


class PresenceApi:
    """`client.presence`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def update(
        self, *, online: bool, status: str | None = None, status_text: str | None = None
    ) -> PresenceLease:
        """Be seen for a while as online, away or busy; `online=False` takes it back."""
        body = given(
            online=online,
            status=status or UNSET,
            status_text=UNSET if status_text is None else status_text,
        )
        return await self._http.call("POST", "/v1/presence", PresenceLease, json=body, once=True)

    async def get(self, user_ids: Sequence[str]) -> list[Presence]:
        """The presence of up to 100 users; those that the caller may not see are left out."""
        query = {"user_ids": ",".join(user_ids)}
        data = await self._http.call("GET", "/v1/presence", Json, query=query)
        return part(data, "presence", list[Presence])
