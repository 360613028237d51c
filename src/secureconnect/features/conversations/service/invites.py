"""Links that let people join."""

import hashlib
import secrets
from collections.abc import Callable

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.features.conversations import rules, store
from secureconnect.features.conversations.api import Conversation
from secureconnect.features.conversations.service.admission import Admission
from secureconnect.features.conversations.service.journal import Caller, Journal
from secureconnect.features.conversations.service.reach import Reach
from secureconnect.features.conversations.service.seats import seat_in
from secureconnect.features.conversations.service.views import Views
from secureconnect.features.conversations.store import Invite, Record, Seat
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.ids import new_id
from secureconnect.kit.pagination import Page

__all__ = ["Invites", "Preview", "Seal", "SeenInvite"]

#: (bytes, the place that they belong to) → sealed, or opened again.
Seal = Callable[[bytes, str], bytes]

_CODE_BYTES = 16  # 22 characters of base64url


class SeenInvite(Struct, frozen=True):
    """An invite with its code, for those who may invite."""

    invite: Invite
    code: str
    url: str


class Preview(Struct, frozen=True):
    """What somebody with the code may know before joining."""

    record: Record
    already_member: bool


class Invites:
    """Makes, lists, ends and uses invites. Codes are stored hashed, and sealed to be shown again.

    Args:
        public_url: where the web client lives, without a final slash; links point below it.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        journal: Journal,
        reach: Reach,
        admission: Admission,
        views: Views,
        limits: rules.ConversationLimits,
        *,
        seal: Seal,
        unseal: Seal,
        public_url: str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._journal = journal
        self._reach = reach
        self._admission = admission
        self._views = views
        self._limits = limits
        self._seal = seal
        self._unseal = unseal
        self._public_url = public_url.rstrip("/")

    async def create(
        self, caller: Caller, conversation_id: str, *, expires_in: int | None, max_uses: int | None
    ) -> SeenInvite:
        """A new link; `expires_in` in seconds, by default `conversations.invite_ttl`.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN` without invite permission, `CONFLICT` for a direct
                conversation, `LIMIT_REACHED`.
        """
        now = self._clock.now()
        code = secrets.token_urlsafe(_CODE_BYTES)
        invite_id = new_id()
        lifetime = self._limits.invite_ttl if expires_in is None else expires_in
        invite = Invite(
            invite_id=invite_id,
            code_hash=_hash(code),
            code_enc=self._seal(code.encode(), _place(invite_id)),
            conversation_id=conversation_id,
            created_by=caller.user_id,
            created_at=now,
            expires_at=now + lifetime * 1000,
            max_uses=max_uses,
            uses=0,
            revoked_at=None,
        )

        def work(tx: WriteTx) -> None:
            member = seat_in(tx.conn, conversation_id, caller.user_id).member
            rules.check_may_invite(member)
            rules.check_group(member.type)
            rules.check_room_for_invite(store.count_live_invites(tx.conn, conversation_id, now))
            store.insert_invite(tx, invite)
            self._journal.record_in(tx, "invite_created", caller, conversation_id, {"invite_id": invite_id})

        await self._database.write(work)
        return self._seen(invite, code)

    async def listed(
        self, viewer_id: str, conversation_id: str, *, after: tuple[int, str] | None, limit: int
    ) -> Page[SeenInvite]:
        """Links that let somebody in now, newest first.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN` without invite permission.
        """
        now = self._clock.now()

        def query(conn: Connection) -> list[Invite]:
            rules.check_may_invite(seat_in(conn, conversation_id, viewer_id).member)
            return store.list_live_invites(conn, conversation_id, now, after=after, limit=limit + 1)

        rows = await self._database.read(query)
        shown = rows[:limit]
        end = (shown[-1].created_at, shown[-1].invite_id) if len(rows) > limit else None
        return Page([self._seen(invite, self._code(invite)) for invite in shown], end)

    async def revoke(self, caller: Caller, conversation_id: str, invite_id: str) -> None:
        """End a link, used up or not.

        Raises:
            ApiError: `NOT_FOUND` also for one that was ended before, `FORBIDDEN` unless the caller is an
                admin or made it.
        """

        def work(tx: WriteTx) -> None:
            member = seat_in(tx.conn, conversation_id, caller.user_id).member
            invite = store.find_invite(tx.conn, invite_id)
            if invite is None or invite.conversation_id != conversation_id or invite.revoked_at is not None:
                raise rules.not_found("invite")
            rules.check_may_revoke(member, invite.created_by)
            store.revoke_invite(tx, invite_id, self._clock.now())
            self._journal.record_in(tx, "invite_revoked", caller, conversation_id, {"invite_id": invite_id})

        await self._database.write(work)

    async def preview(self, viewer_id: str, code: str) -> Preview:
        """What a link leads to.

        Raises:
            ApiError: `NOT_FOUND` for a code that is unknown, expired, used up or revoked.
        """
        now = self._clock.now()

        def query(conn: Connection) -> Preview:
            invite = store.find_invite_by_code(conn, _hash(code))
            if invite is None or not invite.usable(now):
                raise rules.not_found("invite")
            record, seat = store.find_seat(conn, invite.conversation_id, viewer_id)
            if record is None:
                raise rules.not_found("invite")
            return Preview(record, seat is not None)

        return await self._database.lookup(query)

    async def join(self, caller: Caller, code: str) -> Conversation:
        """Become a member; for one who is it already nothing changes and no use is counted.

        Raises:
            ApiError: `NOT_FOUND` as `preview`, `FORBIDDEN` for one that an admin removed and across a block
                with the inviter, `LIMIT_REACHED`.
        """
        now = self._clock.now()

        def work(tx: WriteTx) -> Seat:
            invite = store.find_invite_by_code(tx.conn, _hash(code))
            if invite is None or not invite.open(now):
                raise rules.not_found("invite")
            key = invite.conversation_id
            record, seat = store.find_seat(tx.conn, key, caller.user_id)
            if seat is not None:  # before the uses are looked at: a repeat of the last use is no other one
                return seat
            if record is None or not invite.usable(now):
                raise rules.not_found("invite")
            rules.check_may_join(
                caller.user_id,
                removed=store.put_out(tx.conn, key, [caller.user_id]),
                blocked=self._reach.blocked_in(tx.conn, caller.user_id, invite.created_by),
            )
            self._admission.admit_in(tx, caller, record, [caller.user_id], by=invite.created_by, via="invite")
            store.use_invite(tx, invite.invite_id)
            self._journal.record_in(tx, "invite_used", caller, key, {"invite_id": invite.invite_id})
            return seat_in(tx.conn, key, caller.user_id)

        return await self._views.conversation(await self._database.write(work))

    def _code(self, invite: Invite) -> str:
        return self._unseal(invite.code_enc, _place(invite.invite_id)).decode()

    def _seen(self, invite: Invite, code: str) -> SeenInvite:
        return SeenInvite(invite, code, f"{self._public_url}/invite/{code}")


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode(errors="replace")).digest()


def _place(invite_id: str) -> str:
    return f"invite:{invite_id}"
