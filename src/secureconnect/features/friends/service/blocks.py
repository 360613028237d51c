"""Blocking and lifting a block."""

from collections.abc import Sequence
from typing import NamedTuple

from secureconnect.features.friends import rules, store
from secureconnect.features.friends.api import PairChanged
from secureconnect.features.friends.rules import Block
from secureconnect.features.friends.service.pairs import PairLog
from secureconnect.features.users.api import PublicUser, Users
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.pagination import Page
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Blocks", "SeenBlock"]


class SeenBlock(NamedTuple):
    """A block together with the blocked user, as the blocker sees them."""

    user: PublicUser
    block: Block


class Blocks:
    """Blocks that a caller sets.

    Args:
        changed: told in the transaction that sets or lifts a block,
            also while one in the other direction stands.
    """

    def __init__(
        self, database: Database, users: Users, log: PairLog, clock: Clock, changed: Sequence[PairChanged]
    ) -> None:
        self._database = database
        self._users = users
        self._log = log
        self._clock = clock
        self._changed = tuple(changed)

    async def block(
        self, caller: Principal, context: RequestContext, other_id: str, reason: str | None
    ) -> bool:
        """Block somebody, which ends friendship and requests of the two; again only replaces the reason.

        Returns:
            True when the block is new.

        Raises:
            ApiError: `VALIDATION_ERROR` for oneself, `NOT_FOUND` for an unknown user.
        """
        me = caller.user_id
        rules.check_not_oneself(me, other_id)
        # Users never vanish, whatever their state, so this cannot be overtaken.
        if await self._users.get(other_id) is None:
            raise rules.not_found()
        now = self._clock.now()

        def work(tx: WriteTx) -> bool:
            if store.find_block(tx.conn, me, other_id) is not None:
                store.replace_reason(tx, me, other_id, reason)
                return False
            store.insert_block(tx, me, Block(other_id, reason, now))
            store.delete_friendship(tx, me, other_id)
            self._log.record_in(tx, "user_blocked", caller, context, other_id)
            self._tell_in(tx, me, other_id)
            return True

        return await self._database.write(work)

    async def unblock(self, caller: Principal, context: RequestContext, other_id: str) -> None:
        """Lift the caller's block; nothing that it ended comes back.

        Raises:
            ApiError: `NOT_FOUND` when there is none.
        """

        def work(tx: WriteTx) -> None:
            if not store.delete_block(tx, caller.user_id, other_id):
                raise rules.not_found()
            self._log.record_in(tx, "user_unblocked", caller, context, other_id)
            self._tell_in(tx, caller.user_id, other_id)

        await self._database.write(work)

    async def listed(
        self, blocker_id: str, *, after: tuple[int, str] | None, offset: int, limit: int
    ) -> Page[SeenBlock]:
        """Whom the user blocked, newest first."""
        rows = await self._database.read(
            lambda conn: store.list_blocks(conn, blocker_id, after=after, offset=offset, limit=limit + 1)
        )
        shown = rows[:limit]
        public = await self._users.public(blocker_id, [block.blocked_id for block in shown])
        end = (shown[-1].created_at, shown[-1].blocked_id) if len(rows) > limit else None
        return Page([SeenBlock(rules.across_block(public[row.blocked_id]), row) for row in shown], end)

    def _tell_in(self, tx: WriteTx, a: str, b: str) -> None:
        for changed in self._changed:
            changed(tx, a, b)
        self._log.presence_in(tx, a, b)
