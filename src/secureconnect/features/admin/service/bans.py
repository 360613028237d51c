"""Keeping people out of the server, and letting them in again."""

from typing import Final

from secureconnect.features.admin import rules
from secureconnect.features.admin.service.trail import Admin, Trail
from secureconnect.features.bots.api import Bots
from secureconnect.features.sessions.api import Sessions
from secureconnect.features.users.api import Accounts, Ban
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["BanService"]

_CLOSE_BANNED: Final = 4004


class BanService:
    """Implements `admin.api.Bans`."""

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        sessions: Sessions,
        bots: Bots,
        trail: Trail,
        clock: Clock,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._sessions = sessions
        self._bots = bots
        self._trail = trail
        self._clock = clock

    async def ban(self, admin: Admin, user_id: str, *, reason: str, hours: float | None) -> Ban:
        """Keep a user out for some hours, or for good. Raises like `ban_in`."""
        until = None if hours is None else self._clock.now() + round(hours * 3_600_000)
        with self._trail.attempt("user_banned", admin, user_id):
            return await self._database.write(
                lambda tx: self.ban_in(
                    tx, admin.principal, admin.context, user_id, reason=reason, until=until
                )
            )

    def ban_in(
        self,
        tx: WriteTx,
        admin: Principal,
        context: RequestContext,
        user_id: str,
        *,
        reason: str,
        until: int | None,
    ) -> Ban:
        now = self._clock.now()
        rules.check_bannable(admin.user_id, user_id, self._accounts.find_in(tx.conn, user_id, now))
        ban = Ban(new_id(), user_id, admin.user_id, reason, now, until)
        self._accounts.ban_in(tx, ban)
        self._sessions.revoke_all_in(tx, user_id, "ban", now=now)
        self._bots.shut_out_in(tx, user_id, _CLOSE_BANNED)
        end = {"banned_until": rfc3339(until)} if until is not None else {"permanent": "true"}
        self._trail.did_in(tx, "user_banned", Admin(admin, context), user_id, {"reason": reason, **end})
        return ban

    async def lift(self, admin: Admin, user_id: str, reason: str) -> None:
        """End the ban in force.

        Raises:
            ApiError: `NOT_FOUND` when there is none.
        """

        def work(tx: WriteTx) -> None:
            if not self._accounts.lift_ban_in(tx, user_id, admin.principal.user_id, self._clock.now()):
                raise rules.no_ban()
            self._trail.did_in(tx, "user_unbanned", admin, user_id, {"reason": reason})

        with self._trail.attempt("user_unbanned", admin, user_id):
            await self._database.write(work)
