"""Looking at other people: one of them, a search, friends and common friends."""

import asyncio
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection

from secureconnect.features.friends import rules, store
from secureconnect.features.friends.rules import Friendship
from secureconnect.features.users.api import PublicUser, UserRecord, Users
from secureconnect.infra.database.base import Database
from secureconnect.kit.pagination import Page
from secureconnect.kit.text import fold

__all__ = ["People", "Profile"]

# Records per lookup: one may run on the event loop, which others get back in between.
_CHUNK = 200
# Rounds in which a search looks past people that the viewer must not find.
_SEARCH_ROUNDS = 8


class Profile(NamedTuple):
    """A user as the viewer stands to them."""

    user: PublicUser
    friendship: rules.Standing
    blocked_by_me: bool


class _Relation(NamedTuple):
    friendship: Friendship | None
    blocked_by_me: bool
    blocked: bool


class People:
    """How one user sees others."""

    def __init__(self, database: Database, users: Users) -> None:
        self._database = database
        self._users = users

    async def profile(self, viewer_id: str, user_id: str) -> Profile:
        """One user in any state.

        Raises:
            ApiError: `NOT_FOUND` for an unknown one.
        """
        user = (await self._users.public(viewer_id, [user_id])).get(user_id)
        if user is None:
            raise rules.not_found()

        def query(conn: Connection) -> _Relation:
            return _Relation(
                store.find_friendship(conn, viewer_id, user_id),
                store.find_block(conn, viewer_id, user_id) is not None,
                store.blocked(conn, viewer_id, user_id),
            )

        relation = await self._database.lookup(query)
        return Profile(
            rules.across_block(user) if relation.blocked else user,
            rules.standing(viewer_id, relation.friendship),
            relation.blocked_by_me,
        )

    async def search(self, viewer_id: str, text: str, *, after: str | None, limit: int) -> Page[PublicUser]:
        """Whom the viewer finds, by username; nobody with a block between them in either direction.

        A page may hold fewer than `limit` and still not be the last one, so that no search is without bound.
        """
        found: list[str] = []
        for _ in range(_SEARCH_ROUNDS):
            batch = await self._users.search(text, after_username=after, limit=limit + 1)
            hidden = await self._blocked_with(viewer_id, batch)
            for record in batch:
                if record.user_id not in hidden:
                    if len(found) == limit:
                        return Page(await self._public(viewer_id, found), (after,))
                    found.append(record.user_id)
                after = fold(record.username)
            if len(batch) <= limit:
                return Page(await self._public(viewer_id, found))
        return Page(await self._public(viewer_id, found), (after,))

    async def friends(self, user_id: str, *, after: str | None, offset: int, limit: int) -> Page[PublicUser]:
        """The user's friends by username."""
        friends = await self._database.read(lambda conn: store.friend_ids(conn, user_id))
        return await self._by_username(user_id, friends, after=after, offset=offset, limit=limit)

    async def mutual_friends(
        self, viewer_id: str, user_id: str, *, after: str | None, limit: int
    ) -> Page[PublicUser]:
        """Friends that the two have in common, by username.

        Raises:
            ApiError: `NOT_FOUND` for an unknown user.
        """
        if await self._users.get(user_id) is None:
            raise rules.not_found()
        common = await self._database.read(
            lambda conn: store.friend_ids(conn, viewer_id) & store.friend_ids(conn, user_id)
        )
        return await self._by_username(viewer_id, common, after=after, offset=0, limit=limit)

    async def _by_username(
        self, viewer_id: str, user_ids: Collection[str], *, after: str | None, offset: int, limit: int
    ) -> Page[PublicUser]:
        """One page of these users. Names live with the users feature, so they are ordered here."""
        names: dict[str, str] = {}
        wanted = list(user_ids)
        for start in range(0, len(wanted), _CHUNK):
            await asyncio.sleep(0)
            records = await self._users.many(wanted[start : start + _CHUNK])
            names.update((fold(record.username), user_id) for user_id, record in records.items())
        rest = sorted(name for name in names if after is None or name > after)[offset:]
        end = (rest[limit - 1],) if len(rest) > limit else None
        return Page(await self._public(viewer_id, [names[name] for name in rest[:limit]]), end)

    async def _blocked_with(self, viewer_id: str, records: list[UserRecord]) -> set[str]:
        ids = [record.user_id for record in records]
        return await self._database.lookup(lambda conn: store.blocked_with(conn, viewer_id, ids))

    async def _public(self, viewer_id: str, user_ids: list[str]) -> list[PublicUser]:
        public = await self._users.public(viewer_id, user_ids)
        return [public[user_id] for user_id in user_ids]
