"""Passes for sockets that cannot send headers (HTTP reference §18)."""

from secureconnect.client.api.request import UNSET, given
from secureconnect.client.http import Http
from secureconnect.client.models.operations import Ticket

__all__ = ["TicketsApi"]


class TicketsApi:
    """`client.tickets`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def create(self, *, conversation_id: str | None = None) -> Ticket:
        """A ticket for one chat socket, on all conversations or on one."""
        body = given(purpose="chat", conversation_id=conversation_id or UNSET)
        return await self._http.call("POST", "/v1/ws/tickets", Ticket, json=body)
