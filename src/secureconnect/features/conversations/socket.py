"""Who is in which conversation, for sockets."""

from collections.abc import Collection, Mapping

from secureconnect.edge.realtime.base import Standing
from secureconnect.edge.realtime.frames import json_frame
from secureconnect.features.conversations.service import Listing, Neighbours
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["SocketMemberships"]


class SocketMemberships:
    """Implements `edge.realtime.base.Memberships`.

    The head in a standing is one at which the user was a member: whoever follows the log from there on meets
    every later removal.
    """

    def __init__(self, neighbours: Neighbours, listing: Listing) -> None:
        self._neighbours = neighbours
        self._listing = listing

    async def require(self, user_id: str, conversation_id: str) -> None:
        await self._neighbours.member(conversation_id, user_id)

    async def standings(self, user_id: str) -> Mapping[str, Standing]:
        places = await self._neighbours.places(user_id)
        return {key: Standing(*place) for key, place in places.items()}

    async def counts(self, user_ids: Collection[str]) -> Mapping[str, int]:
        return await self._neighbours.place_counts(user_ids)

    async def standing(self, user_id: str, conversation_id: str) -> Standing | None:
        place = await self._neighbours.place(user_id, conversation_id)
        return Standing(*place) if place is not None else None

    async def added_frame(self, user_id: str, conversation_id: str) -> bytes | None:
        try:
            conversation = await self._listing.one(user_id, conversation_id)
        except ApiError as error:
            if error.code in {ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN}:
                return None
            raise
        return json_frame({"type": "conversation_added", "conversation": conversation})
