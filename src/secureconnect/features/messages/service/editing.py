"""Editing: a message says something else, and what it said before is kept as a version."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from secureconnect.edge.validation import Opaque, Uuid
from secureconnect.features.conversations.api import Facts
from secureconnect.features.files.api import Files
from secureconnect.features.messages import store
from secureconnect.features.messages.api import Metadata
from secureconnect.features.messages.rules import (
    Content,
    MessageLimits,
    check_content,
    check_edit,
    check_may_edit,
)
from secureconnect.features.messages.service.changing import Changes
from secureconnect.features.messages.service.rendering import SenderNames
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import AttachedFile, Edit, StoredMessage, Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import invalid
from secureconnect.kit.events import MessageEdited
from secureconnect.kit.principal import Principal

__all__ = ["EditRequest", "EditService", "Edited"]

T = TypeVar("T")


class EditRequest(Struct, kw_only=True):
    """What a message says from now on; absent fields stay as they are, null empties them.

    `content` and `metadata` are bound like those of a send. `base_edit_count` is the `edit_count` that the
    edit was made from: when it is another one by now, the edit is refused. In an encrypted conversation an
    edit brings its own `e2ee`.
    """

    content: Annotated[Opaque, Meta(max_length=1_048_576)]
    metadata: Metadata | UnsetType | None = UNSET
    mentions: Annotated[list[Uuid], Meta(max_length=50)] | UnsetType | None = UNSET
    attachments: Annotated[list[Uuid], Meta(max_length=100)] | UnsetType | None = UNSET
    e2ee: dict[str, object] | UnsetType | None = UNSET
    base_edit_count: Annotated[int, Meta(ge=0)] | None = None


class Edited(NamedTuple):
    """The message after an edit, and the seq of the event that tells of it."""

    message: StoredMessage
    seq: int


class EditService:
    """Lets senders correct themselves."""

    def __init__(
        self,
        timeline: Timeline,
        changes: Changes,
        files: Files,
        names: SenderNames,
        clock: Clock,
        limits: MessageLimits,
    ) -> None:
        self._timeline = timeline
        self._changes = changes
        self._files = files
        self._names = names
        self._clock = clock
        self._limits = limits

    async def edit(self, caller: Principal, message_id: str, request: EditRequest) -> Edited:
        """Replace what a message of the caller says; returns once it is committed durably.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN`, `EDIT_WINDOW_EXPIRED`, `CONFLICT`,
                `E2EE_REQUIRED`, `FILE_NOT_READY`, `LIMIT_REACHED`, `TIMELINE_UNAVAILABLE`.
        """
        user_id = caller.user_id
        content = await self._checked(message_id, request)
        # The commit listener tells of the edit with the sender's name and cannot wait for it.
        await self._names.remember(user_id)
        now = self._clock.now()

        def change(tx: WriteTx, facts: Facts, message: StoredMessage) -> Edited:
            check_may_edit(facts, message, user_id, now, self._limits)
            files = self._files_in(tx, user_id, message, request.attachments)
            if not content.text and not files:
                raise invalid("content", "at least one character that is not blank is needed")
            check_edit(
                facts,
                message,
                self._limits,
                base_edit_count=request.base_edit_count,
                has_envelope=content.e2ee is not None,
                files_encrypted=all(file.is_encrypted for file in files),
            )
            edit = _edit(message, content, request, facts, files, now)
            if request.attachments is not UNSET and (files or message.attachments):
                self._files.grant_in(
                    tx,
                    message.conversation_id,
                    message_id,
                    message.seq,
                    [file.file_id for file in files if file.available],
                )
            _mention_in(tx, message, edit.mentions)
            edited = self._timeline.edit_in(tx, message, edit)
            seq = self._changes.tell_in(tx, edited, MessageEdited.kind, user_id, now, with_state=True)
            # Written without a viewer: what the caller's own reactions are has not changed.
            return Edited(msgspec.structs.replace(edited, reactions=message.reactions), seq)

        return await self._changes.act(user_id, message_id, change)

    async def _checked(self, message_id: str, request: EditRequest) -> Content:
        """The form in which the content is stored; how long it may be depends on the message."""
        known = await self._timeline.message(message_id)
        named = request.attachments
        if named is UNSET:
            attachments = len(known.attachments) if known is not None else 0
        else:
            attachments = len(named or ())
        return check_content(
            self._limits,
            request.content,
            is_encrypted=known is not None and known.is_encrypted,
            metadata=_given(request.metadata),
            e2ee=_given(request.e2ee),
            attachments=attachments,
        )

    def _files_in(
        self, tx: WriteTx, user_id: str, message: StoredMessage, named: list[str] | UnsetType | None
    ) -> tuple[AttachedFile, ...]:
        """The files that the message carries after the edit: those that it carried may stay."""
        if named is UNSET:
            return message.attachments
        carried = {file.file_id: file for file in message.attachments}
        wanted = list(dict.fromkeys(named or ()))
        new = [file_id for file_id in wanted if file_id not in carried]
        if new:
            records = self._files.attachable_in(tx.conn, user_id, new)
            carried |= {record.file_id: record.attached for record in records}
        return tuple(carried[file_id] for file_id in wanted)


def _given(value: T | UnsetType | None) -> T | None:
    return None if isinstance(value, UnsetType) else value


def _edit(
    message: StoredMessage,
    content: Content,
    request: EditRequest,
    facts: Facts,
    files: tuple[AttachedFile, ...],
    now: int,
) -> Edit:
    mentions: Sequence[str] = message.mentions
    if request.mentions is not UNSET:
        named = dict.fromkeys(request.mentions or ())
        mentions = [user_id for user_id in named if user_id in facts.members]
    return Edit(
        content=content.text,
        metadata=message.metadata if request.metadata is UNSET else content.metadata,
        e2ee=message.e2ee if request.e2ee is UNSET else content.e2ee,
        mentions=tuple(mentions),
        edited_at=now,
        attachments=None if request.attachments is UNSET else files,
    )


def _mention_in(tx: WriteTx, message: StoredMessage, mentions: tuple[str, ...]) -> None:
    """Count those mentioned now. Whoever `mention_here` reached stays mentioned, with or without a name."""
    if mentions == message.mentions or message.mention_all:
        return
    dropped = () if message.mention_here else set(message.mentions) - set(mentions)
    store.remention(tx, message.conversation_id, message.seq, message.sender_id, dropped, set(mentions))
    new = sorted(set(mentions) - set(message.mentions))
    if message.thread_root_id is not None and new:
        for statement in store.follow(message.conversation_id, message.thread_root_id, new):
            tx.run(statement.sql, (message.seq, *statement.params))
