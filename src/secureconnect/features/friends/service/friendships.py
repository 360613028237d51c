"""Asking, answering and ending a friendship."""

from typing import NamedTuple

import msgspec

from secureconnect.features.friends import rules, store
from secureconnect.features.friends.api import FriendNotices
from secureconnect.features.friends.rules import FriendLimits, Friendship
from secureconnect.features.friends.service.pairs import PairLog
from secureconnect.features.users.api import PublicUser, Users
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.pagination import Page
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Friendships", "SeenFriendship"]


class SeenFriendship(NamedTuple):
    """A relation together with the other one, as the viewer sees both."""

    user: PublicUser
    direction: rules.Direction
    friendship: Friendship


class Friendships:
    """Requests and friendships of a caller.

    Every use case reads the relation inside the transaction that changes it, so of two that cross one sees
    the result of the other.
    """

    def __init__(
        self,
        database: Database,
        users: Users,
        log: PairLog,
        clock: Clock,
        limits: FriendLimits,
        notices: FriendNotices | None = None,
    ) -> None:
        self._database = database
        self._users = users
        self._log = log
        self._clock = clock
        self._limits = limits
        self._notices = notices

    async def ask(
        self, caller: Principal, context: RequestContext, other_id: str
    ) -> tuple[SeenFriendship, bool]:
        """Ask for friendship, or accept when the other one asked before; True when it was accepted.

        Raises:
            ApiError: `VALIDATION_ERROR` for oneself, `NOT_FOUND`, `FORBIDDEN`, `CONFLICT`, `LIMIT_REACHED`.
        """
        me = caller.user_id
        rules.check_not_oneself(me, other_id)
        now = self._clock.now()

        def work(tx: WriteTx) -> tuple[Friendship, bool]:
            known = self._users.many_in(tx.conn, [me, other_id])
            other = known.get(other_id)
            if other is None or not other.active:
                raise rules.not_found()
            rules.check_person(is_bot=other.is_bot)
            existing = store.find_friendship(tx.conn, me, other_id)
            blocked = store.blocked(tx.conn, me, other_id)
            rules.check_may_ask(rules.standing(me, existing), blocked=blocked)
            if existing is not None:
                return self._accept_in(tx, caller, context, existing, now), True
            rules.check_room_for_request(
                store.count_outgoing(tx.conn, me), store.count_friends(tx.conn, me), self._limits
            )
            asked = Friendship(*store.pair_of(me, other_id), me, "pending", now, now)
            store.insert_friendship(tx, asked)
            self._log.record_in(tx, "friend_requested", caller, context, other_id)
            if self._notices is not None:
                self._notices.friend_requested_in(tx, other_id, known[me])
            return asked, False

        friendship, accepted = await self._database.write(work)
        return (await self._seen(me, [friendship]))[0], accepted

    async def withdraw(self, caller: Principal, other_id: str) -> None:
        """Take back the caller's open request.

        Raises:
            ApiError: `NOT_FOUND` when there is none.
        """

        def work(tx: WriteTx) -> None:
            self._existing_in(tx, caller.user_id, other_id, "outgoing")
            store.delete_friendship(tx, caller.user_id, other_id)

        await self._database.write(work)

    async def accept(self, caller: Principal, context: RequestContext, asker_id: str) -> SeenFriendship:
        """Accept the request of `asker_id`.

        Raises:
            ApiError: `NOT_FOUND` without such a request, or when the asker is gone; `LIMIT_REACHED`.
        """
        now = self._clock.now()

        def work(tx: WriteTx) -> Friendship:
            existing = self._existing_in(tx, caller.user_id, asker_id, "incoming")
            if asker_id not in self._users.active_in(tx.conn, [asker_id]):
                raise rules.not_found()
            return self._accept_in(tx, caller, context, existing, now)

        return (await self._seen(caller.user_id, [await self._database.write(work)]))[0]

    async def reject(self, caller: Principal, context: RequestContext, asker_id: str) -> None:
        """Drop the request of `asker_id`, who is not told.

        Raises:
            ApiError: `NOT_FOUND` when there is none.
        """

        def work(tx: WriteTx) -> None:
            self._existing_in(tx, caller.user_id, asker_id, "incoming")
            store.delete_friendship(tx, caller.user_id, asker_id)
            self._log.record_in(tx, "friend_rejected", caller, context, asker_id)

        await self._database.write(work)

    async def remove(self, caller: Principal, context: RequestContext, friend_id: str) -> None:
        """End the friendship for both.

        Raises:
            ApiError: `NOT_FOUND` when there is none.
        """

        def work(tx: WriteTx) -> None:
            self._existing_in(tx, caller.user_id, friend_id, "friends")
            store.delete_friendship(tx, caller.user_id, friend_id)
            self._log.record_in(tx, "friend_removed", caller, context, friend_id)
            self._log.presence_in(tx, caller.user_id, friend_id)

        await self._database.write(work)

    async def requests(
        self, viewer_id: str, direction: rules.Request, *, after: tuple[int, str] | None, limit: int
    ) -> Page[SeenFriendship]:
        """Open requests to or from the viewer, newest first."""
        rows = await self._database.read(
            lambda conn: store.list_requests(conn, viewer_id, direction, after=after, limit=limit + 1)
        )
        shown = rows[:limit]
        end = (shown[-1].created_at, shown[-1].other(viewer_id)) if len(rows) > limit else None
        return Page(await self._seen(viewer_id, shown), end)

    def _accept_in(
        self, tx: WriteTx, caller: Principal, context: RequestContext, asked: Friendship, now: int
    ) -> Friendship:
        asker_id = asked.other(caller.user_id)
        for user_id in (caller.user_id, asker_id):
            rules.check_room_for_friend(store.count_friends(tx.conn, user_id), self._limits)
        store.accept_friendship(tx, caller.user_id, asker_id, now)
        self._log.record_in(tx, "friend_accepted", caller, context, asker_id)
        self._log.presence_in(tx, caller.user_id, asker_id)
        return msgspec.structs.replace(asked, status="accepted", updated_at=now)

    @staticmethod
    def _existing_in(tx: WriteTx, me: str, other_id: str, needed: rules.Standing) -> Friendship:
        existing = store.find_friendship(tx.conn, me, other_id)
        rules.check_standing(rules.standing(me, existing), needed)
        assert existing is not None
        return existing

    async def _seen(self, viewer_id: str, rows: list[Friendship]) -> list[SeenFriendship]:
        public = await self._users.public(viewer_id, [row.other(viewer_id) for row in rows])
        return [
            SeenFriendship(public[row.other(viewer_id)], rules.direction(viewer_id, row), row) for row in rows
        ]
