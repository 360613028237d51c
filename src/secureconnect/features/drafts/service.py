"""Keeping drafts."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from secureconnect.edge.realtime.frames import json_frame
from secureconnect.edge.validation import Opaque, Uuid
from secureconnect.features.conversations.api import Conversations, Facts
from secureconnect.features.drafts import store
from secureconnect.features.drafts.store import DraftBody
from secureconnect.features.files.api import Files
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.hints import UserFrame, user_channel
from secureconnect.kit.objects import Id, Time
from secureconnect.kit.principal import Principal
from secureconnect.kit.text import TextFault, clean_text

__all__ = ["Draft", "DraftAnswer", "DraftLimits", "DraftRequest", "DraftService"]


class DraftRequest(Struct):
    """A draft to keep; without content it is forgotten."""

    content: Annotated[Opaque, Meta(max_length=1_048_576)]
    is_encrypted: bool = False
    reply_to_message_id: Uuid | None = None
    thread_root_id: Uuid | None = None
    attachments: Annotated[list[Uuid], Meta(max_length=10)] | None = None


class Draft(Struct, frozen=True, kw_only=True):
    """What somebody began to write."""

    content: str
    is_encrypted: bool
    reply_to_message_id: Id | None
    thread_root_id: Id | None
    attachments: list[Id]
    updated_at: Time


class DraftAnswer(Struct, frozen=True):
    """A draft, or null where there is none."""

    draft: Draft | None


class DraftLimits(Struct, frozen=True):
    """Longest plain content in code points, longest encrypted one in bytes."""

    max_content_chars: int
    max_encrypted_bytes: int


class DraftService:
    """One draft per user, conversation and thread."""

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        conversations: Conversations,
        files: Files,
        bus: Bus,
        clock: Clock,
        limits: DraftLimits,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._conversations = conversations
        self._files = files
        self._bus = bus
        self._clock = clock
        self._limits = limits

    async def find(self, caller: Principal, conversation_id: str, thread_root_id: str | None) -> DraftAnswer:
        """The caller's draft.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`.
        """
        await self._conversations.member(conversation_id, caller.user_id)
        found = await self._database.lookup(
            lambda conn: store.find(conn, caller.user_id, conversation_id, thread_root_id)
        )
        return DraftAnswer(_shown(found, thread_root_id))

    async def save(self, caller: Principal, conversation_id: str, request: DraftRequest) -> DraftAnswer:
        """Keep a draft in place of the one there is. The caller's sockets get a `draft`.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN`, `E2EE_REQUIRED`.
        """
        content = self._checked(request)
        if not content:
            return await self.remove(caller, conversation_id, request.thread_root_id)
        await self._conversations.member(conversation_id, caller.user_id)
        for message_id in (request.reply_to_message_id, request.thread_root_id):
            if message_id is not None:
                await self._check_said(conversation_id, message_id)
        attachments = request.attachments or []
        if attachments:
            await self._check_files(caller.user_id, attachments)
        body = DraftBody(content, request.is_encrypted, request.reply_to_message_id, attachments)
        now = self._clock.now()

        def work(tx: WriteTx, facts: Facts) -> None:
            if facts.settings.is_e2ee_enabled and not request.is_encrypted:
                raise ApiError(ErrorCode.E2EE_REQUIRED)
            store.save(tx, caller.user_id, conversation_id, request.thread_root_id, body, now)

        await self._conversations.act(conversation_id, caller.user_id, work)
        return self._tell(caller, conversation_id, request.thread_root_id, (body, now))

    async def remove(
        self, caller: Principal, conversation_id: str, thread_root_id: str | None
    ) -> DraftAnswer:
        """Forget the caller's draft, if there is one.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`.
        """
        gone = await self._conversations.act(
            conversation_id,
            caller.user_id,
            lambda tx, _: store.remove(tx, caller.user_id, conversation_id, thread_root_id),
        )
        return self._tell(caller, conversation_id, thread_root_id, None) if gone else DraftAnswer(None)

    def _checked(self, request: DraftRequest) -> str:
        content = request.content
        if request.is_encrypted:
            if len(content.encode()) > self._limits.max_encrypted_bytes:
                raise invalid("content", f"at most {self._limits.max_encrypted_bytes} bytes")
            return content
        try:
            content = clean_text(content)
        except TextFault as fault:
            raise invalid("content", str(fault)) from None
        if len(content) > self._limits.max_content_chars:
            raise invalid("content", f"at most {self._limits.max_content_chars} characters")
        return content

    async def _check_said(self, conversation_id: str, message_id: str) -> None:
        message = await self._timeline.message(message_id)
        if message is None or message.conversation_id != conversation_id:
            raise ApiError(ErrorCode.NOT_FOUND, "There is no such message in this conversation.")

    async def _check_files(self, user_id: str, file_ids: Sequence[str]) -> None:
        try:
            await self._database.lookup(
                lambda conn: self._files.attachable_in(conn, user_id, list(dict.fromkeys(file_ids)))
            )
        except ApiError as error:
            # A file may still be on its way while its message is being written.
            if error.code is not ErrorCode.FILE_NOT_READY:
                raise

    def _tell(
        self,
        caller: Principal,
        conversation_id: str,
        thread_root_id: str | None,
        found: tuple[DraftBody, int] | None,
    ) -> DraftAnswer:
        draft = _shown(found, thread_root_id)
        frame = json_frame(
            {
                "type": "draft",
                "conversation_id": conversation_id,
                "thread_root_id": thread_root_id,
                "draft": draft,
            }
        )
        self._bus.publish(user_channel(caller.user_id), UserFrame(caller.user_id, frame))
        return DraftAnswer(draft)


def _shown(found: tuple[DraftBody, int] | None, thread_root_id: str | None) -> Draft | None:
    if found is None:
        return None
    body, updated_at = found
    return Draft(
        **msgspec.structs.asdict(body), thread_root_id=thread_root_id, updated_at=rfc3339(updated_at)
    )
