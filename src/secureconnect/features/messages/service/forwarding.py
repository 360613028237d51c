"""Forwarding: what was said in one conversation is said again in another."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from secureconnect.edge.validation import Opaque, Uuid
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.files.api import Files
from secureconnect.features.messages.api import Outgoing
from secureconnect.features.messages.rules import check_member, no_message
from secureconnect.features.messages.service.posting import Poster, Sent
from secureconnect.features.messages.service.reading import ReadService
from secureconnect.infra.database.base import Database
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.principal import Principal

__all__ = ["ForwardRequest", "ForwardService"]


class ForwardRequest(Struct):
    """Which message goes where."""

    message_id: Uuid
    conversation_id: Uuid
    client_message_id: (
        Annotated[Opaque, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$(?!\n)")] | None
    ) = None


class ForwardService:
    """Carries messages over, with the files that the caller may read."""

    def __init__(
        self,
        database: Database,
        conversations: Conversations,
        files: Files,
        reading: ReadService,
        poster: Poster,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._files = files
        self._reading = reading
        self._poster = poster

    async def forward(self, caller: Principal, request: ForwardRequest) -> Sent:
        """Send what a message says into another conversation, as the caller's own and marked as forwarded.

        A repeat is answered as the first time, whatever became of the source (docs/reference/realtime.md §7,
        G10).

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `E2EE_BLOCKED` (the source is encrypted), `E2EE_REQUIRED` (the
                target is), `CONFLICT` (a poll), `TIMELINE_UNAVAILABLE`.
        """
        fault: ApiError | None = None
        outgoing = Outgoing(
            conversation_id=request.conversation_id,
            sender_id=caller.user_id,
            client_message_id=request.client_message_id,
            content="",
            forwarded=True,
        )
        try:
            outgoing = await self._carried(caller.user_id, request.message_id, outgoing)
        except ApiError as error:
            if request.client_message_id is None or error.code.status >= 500:
                raise
            fault = error
        facts = check_member(await self._conversations.facts(request.conversation_id), caller.user_id)
        return await self._poster.post(outgoing, facts, fault)

    async def _carried(self, user_id: str, message_id: str, outgoing: Outgoing) -> Outgoing:
        """`outgoing` with what the source says."""
        source = await self._reading.opened(user_id, message_id)
        if source.deleted_at is not None:
            raise no_message()
        if source.is_encrypted:
            raise ApiError(ErrorCode.E2EE_BLOCKED, "The server cannot forward what it cannot read.")
        if source.message_type == "poll":
            raise ApiError(ErrorCode.CONFLICT, "Polls are not forwarded.")
        carried = [file.file_id for file in source.attachments]
        records = (
            await self._database.lookup(lambda conn: self._files.readable_in(conn, user_id, carried))
            if carried
            else []
        )
        if not (source.content or records):
            raise ApiError(ErrorCode.NOT_FOUND, "The files of this message are gone.")
        return msgspec.structs.replace(
            outgoing,
            content=source.content,
            message_type=source.message_type,
            metadata=source.metadata,
            attachments=tuple(record.attached for record in records),
        )
