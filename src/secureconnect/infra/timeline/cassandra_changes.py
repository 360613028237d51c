"""Changing messages that exist, in a draft."""

from collections.abc import Collection
from functools import partial

import msgspec

from secureconnect.infra.timeline.base import AttachedFile, Edit, Reacted, StoredMessage
from secureconnect.infra.timeline.cassandra_draft import HOUR, Draft
from secureconnect.infra.timeline.cassandra_rows import Bare, attachments_of, complete, reactions_of
from secureconnect.infra.timeline.cassandra_schema import bucket_of
from secureconnect.infra.timeline.cassandra_tx import LogTx

__all__ = ["delete_message", "edit_message", "react", "set_attachment", "set_pinned", "unreact"]


def edit_message(tx: LogTx, message: StoredMessage, edit: Edit) -> StoredMessage:
    """See `Timeline.edit_in`."""
    draft, found = _found(tx, message.message_id)
    now = found.message
    count = now.edit_count + 1
    draft.write(
        "put_version", now.message_id, count, now.content, now.metadata, now.e2ee, edit.edited_at, key=2
    )
    files = now.attachment_count
    if edit.attachments is not None and (now.attachment_count or edit.attachments):
        draft.drop(now.message_id, "put_attachment")
        draft.write("del_attachments", now.message_id)
        draft.attach(now.message_id, edit.attachments)
        files = len(edit.attachments)
    changed = draft.store(
        found,
        content=edit.content,
        metadata=edit.metadata,
        e2ee=edit.e2ee,
        mentions=edit.mentions,
        attachment_count=files,
        edited_at=edit.edited_at,
        edit_count=count,
    )
    return tx.read(draft, lambda link: complete(link, [changed], None, draft.overlay))[0]


def delete_message(tx: LogTx, message: StoredMessage, at: int, by: str | None, reason: str) -> StoredMessage:
    """See `Timeline.delete_in`."""
    draft, found = _found(tx, message.message_id)
    now = found.message
    draft.drop(now.message_id, "put_attachment", "put_reaction", "put_version")
    for name in ("del_attachments", "del_reactions", "del_versions"):
        draft.write(name, now.message_id)
    draft.overlay.attachments[now.message_id] = ()
    draft.overlay.reactions[now.message_id] = {}
    if now.expires_at is not None:
        draft.write("del_expiry", now.expires_at // HOUR, now.expires_at, now.message_id)
    changed = draft.store(
        found,
        content="",
        metadata={},
        e2ee=None,
        reply_to_message_id=None,
        mentions=(),
        mention_all=False,
        mention_here=False,
        pinned=False,
        attachment_count=0,
        reaction_count=0,
        deleted_at=at,
        deleted_by=by,
        delete_reason=reason,
        expires_at=None,
    )
    # What a poll said stands in its event too.
    draft.write("set_event_data", now.conversation_id, bucket_of(now.seq), now.seq, b"", key=3)
    root_id = now.thread_root_id
    if root_id is not None:
        tx.read(draft, lambda link: draft.count_reply(link, root_id, -1))
    return changed.message


def react(tx: LogTx, message_id: str, reaction: Reacted) -> bool:
    """See `Timeline.react_in`."""
    locked = tx.locked(message_id)
    if locked is None:
        return False
    draft, found = locked
    reactions = _reactions(tx, draft, message_id)
    if (reaction.user_id, reaction.emoji) in reactions:
        return False
    reactions[reaction.user_id, reaction.emoji] = reaction.reacted_at
    draft.unwrite("del_reaction", message_id, reaction.user_id, reaction.emoji)
    draft.write("put_reaction", message_id, reaction.user_id, reaction.emoji, reaction.reacted_at, key=3)
    draft.store(found, reaction_count=found.message.reaction_count + 1)
    return True


def unreact(tx: LogTx, message_id: str, user_id: str, emoji: str) -> bool:
    """See `Timeline.unreact_in`."""
    locked = tx.locked(message_id)
    if locked is None:
        return False
    draft, found = locked
    reactions = _reactions(tx, draft, message_id)
    if reactions.pop((user_id, emoji), None) is None:
        return False
    draft.unwrite("put_reaction", message_id, user_id, emoji)
    draft.write("del_reaction", message_id, user_id, emoji)
    draft.store(found, reaction_count=found.message.reaction_count - 1)
    return True


def set_pinned(tx: LogTx, message_id: str, pinned: bool) -> None:
    """See `Timeline.set_pinned_in`."""
    locked = tx.locked(message_id)
    if locked is not None:
        locked[0].store(locked[1], pinned=pinned)


def set_attachment(
    tx: LogTx, message_ids: Collection[str], file_id: str, marks: dict[str, bool]
) -> list[str]:
    """See `Timeline.set_attachment_in`. Returns the messages that are not there."""
    absent: list[str] = []
    for message_id in message_ids if marks else ():
        locked = tx.locked(message_id)
        if locked is None:
            absent.append(message_id)
            continue
        draft, found = locked
        if not found.message.attachment_count:
            continue
        known = draft.overlay.attachments.get(message_id)
        files = tx.read(draft, partial(attachments_of, message_id=message_id)) if known is None else known
        if any(file.file_id == file_id for file in files):
            draft.attach(
                message_id, [_marked(file, marks) if file.file_id == file_id else file for file in files]
            )
    return absent


def _marked(file: AttachedFile, marks: dict[str, bool]) -> AttachedFile:
    return msgspec.structs.replace(
        file,
        has_thumbnail=marks.get("has_thumbnail", file.has_thumbnail),
        available=marks.get("available", file.available),
    )


def _found(tx: LogTx, message_id: str) -> tuple[Draft, Bare]:
    locked = tx.locked(message_id)
    assert locked is not None  # it was read in this transaction
    return locked


def _reactions(tx: LogTx, draft: Draft, message_id: str) -> dict[tuple[str, str], int]:
    reactions = draft.overlay.reactions
    if message_id not in reactions:
        reactions[message_id] = tx.read(draft, partial(reactions_of, message_id=message_id))
    return reactions[message_id]
