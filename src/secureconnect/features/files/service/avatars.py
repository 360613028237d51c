"""Avatars: small pictures of their own, made of a file once; they stay when the file goes."""

import asyncio

from sqlalchemy import Connection

from secureconnect.edge.realtime.background import Background
from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.files import rules, store
from secureconnect.features.files.api import FileRecord
from secureconnect.features.files.rules import AVATAR_BYTES, AVATAR_SIDE, FileLimits
from secureconnect.features.files.service.journal import Caller, Journal
from secureconnect.features.files.service.objects import Objects
from secureconnect.features.users.api import UserRecord, Users
from secureconnect.infra.blobs.base import Blobs, ObjectMissing, ObjectTooLarge, SignedRequest
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.images.base import Images, PictureRefused
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Avatars"]


class Avatars:
    """Pictures of people and groups. Implements `conversations.api.Pictures`."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        images: Images,
        users: Users,
        conversations: Conversations,
        audit: Audit,
        clock: Clock,
        background: Background,
        objects: Objects,
        journal: Journal,
        limits: FileLimits,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._images = images
        self._users = users
        self._conversations = conversations
        self._audit = audit
        self._clock = clock
        self._background = background
        self._objects = objects
        self._journal = journal
        self._limits = limits
        # Nobody removes the object of an avatar between its making and its being shown.
        self._lock = asyncio.Lock()

    async def set_own(self, caller: Caller, file_id: str | None) -> UserRecord:
        """Show a picture made of a file of the caller's own, or none.

        Raises:
            ApiError: `NOT_FOUND`, `VALIDATION_ERROR`, `STORAGE_UNAVAILABLE`.
        """
        user_id, now = caller.user_id, self._clock.now()

        def work(tx: WriteTx) -> tuple[UserRecord, str | None]:
            before = self._users.set_avatar_in(tx, user_id, file_id, now)
            self._audit.record_in(
                tx,
                AuditEntry(
                    event="profile_updated",
                    actor_id=user_id,
                    actor_type=caller.principal.kind,
                    session_id=caller.principal.session_id,
                    target_type="user",
                    target_id=user_id,
                    context=caller.context,
                    details={"fields": "avatar"},
                ),
            )
            return self._users.many_in(tx.conn, [user_id])[user_id], before

        async with self._lock:
            if file_id is not None:
                await self._made(caller, file_id, "file_id")
            record, before = await self._database.write(work)
            if before is not None and before != file_id:
                await self._objects.avatar_dropped(user_id, before)
        return record

    async def of_user(self, user_id: str) -> SignedRequest:
        """Where a user's avatar is.

        Raises:
            ApiError: `NOT_FOUND`, `STORAGE_UNAVAILABLE`.
        """
        avatars = await self._database.lookup(lambda conn: self._users.avatars_in(conn, [user_id]))
        return await self._sign(user_id, avatars.get(user_id))

    async def of_conversation(self, user_id: str, conversation_id: str) -> SignedRequest:
        """Where the picture of a conversation is, for its members.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `STORAGE_UNAVAILABLE`.
        """
        await self._conversations.member(conversation_id, user_id)

        def find(conn: Connection) -> FileRecord | None:
            file_id = self._conversations.avatar_in(conn, conversation_id)
            return store.find(conn, file_id) if file_id is not None else None

        file = await self._database.lookup(find)
        if file is None:
            raise _none()
        return await self._sign(file.owner_id, file.file_id)

    async def make(self, caller: Principal, context: RequestContext, file_id: str) -> None:
        await self._made(Caller(caller, context), file_id, "avatar_file_id")

    def dropped(self, file_id: str) -> None:
        self._background.start(self._dropped(file_id))

    async def _dropped(self, file_id: str) -> None:
        file = await self._database.lookup(lambda conn: store.find(conn, file_id))
        if file is not None:
            async with self._lock:
                await self._objects.avatar_dropped(file.owner_id, file_id)

    async def _made(self, caller: Caller, file_id: str, field: str) -> None:
        file = await self._journal.owned(caller, file_id)
        fault = rules.avatar_fault(file)
        if fault is not None:
            raise invalid(field, fault)
        try:
            data = await self._blobs.read(file.object_key, at_most=AVATAR_BYTES)
            webp = await self._images.shrink(data, side=AVATAR_SIDE)
        except (ObjectMissing, ObjectTooLarge):
            raise rules.not_found() from None
        except PictureRefused:
            raise invalid(field, "is no picture that can be read") from None
        await self._blobs.put(rules.avatar_key(file.owner_id, file_id), webp, content_type="image/webp")

    async def _sign(self, owner_id: str, file_id: str | None) -> SignedRequest:
        if file_id is None:
            raise _none()
        return await self._blobs.presign_get(
            rules.avatar_key(owner_id, file_id),
            file_name="avatar.webp",
            content_type="image/webp",
            expires_in=self._limits.download_ttl,
        )


def _none() -> ApiError:
    return ApiError(ErrorCode.NOT_FOUND, "There is no avatar.")
