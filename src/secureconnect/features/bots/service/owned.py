"""What users do with their bots."""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.bots import rules, store
from secureconnect.features.bots.rules import BotLimits
from secureconnect.features.bots.service.secrets import digest, new_bot_token
from secureconnect.features.bots.store import BotToken
from secureconnect.features.users.api import BotUser, BotUsers
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.hints import CONTROL, SessionEnded
from secureconnect.kit.ids import new_id
from secureconnect.kit.pagination import Page
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["BotService", "SeenBot"]

# Close codes (docs/reference/realtime.md §9): the token ended; come back, what the token allows has changed.

_KEPT_MS = 30 * 24 * 3600 * 1000
_BATCH = 1000


class SeenBot(Struct, frozen=True):
    """A bot with its live token, as its owner sees it."""

    user: BotUser
    token: BotToken


class BotService:
    """Implements `bots.api.Bots`. A bot belongs to the user that made it; to others it does not exist."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        users: BotUsers,
        audit: Audit,
        clock: Clock,
        limits: BotLimits,
    ) -> None:
        self._database = database
        self._bus = bus
        self._users = users
        self._audit = audit
        self._clock = clock
        self._limits = limits

    async def create(
        self,
        caller: Principal,
        context: RequestContext,
        *,
        username: str,
        display_name: str,
        scopes: Sequence[str],
    ) -> tuple[SeenBot, str]:
        """A new bot and its token, which is not stored and so never shown again.

        Raises:
            ApiError: `VALIDATION_ERROR`, `FEATURE_DISABLED`, `LIMIT_REACHED`, `CONFLICT` for a taken name.
        """
        rules.check_bot_name(username)
        rules.check_enabled(self._limits)
        now, secret = self._clock.now(), new_bot_token()
        bot = BotUser(new_id(), username, display_name, caller.user_id, now)
        token = BotToken(digest(secret), new_id(), bot.user_id, _once(scopes), now)

        def work(tx: WriteTx) -> None:
            rules.check_room_for_bot(self._users.count_in(tx.conn, caller.user_id), self._limits)
            self._users.add_in(tx, bot)
            store.add_token(tx, token)
            details = {"username": username, "scopes": ",".join(token.scopes)}
            self._record_in(tx, "bot_created", caller, context, bot.user_id, details)

        await self._database.write(work)
        return SeenBot(bot, token), secret

    async def page(self, owner_id: str, *, after: tuple[int, str] | None, limit: int) -> Page[SeenBot]:
        """The user's bots, newest first."""

        def query(conn: Connection) -> list[SeenBot]:
            bots = self._users.owned_in(conn, owner_id, after=after, limit=limit + 1)
            tokens = store.live_tokens(conn, [bot.user_id for bot in bots])
            return [SeenBot(bot, tokens[bot.user_id]) for bot in bots]

        rows = await self._database.read(query)
        shown = rows[:limit]
        end = (shown[-1].user.created_at, shown[-1].user.user_id) if len(rows) > limit else None
        return Page(shown, end)

    async def get(self, owner_id: str, bot_id: str) -> SeenBot:
        """One of the user's bots. Raises ApiError `NOT_FOUND`."""
        return await self._database.lookup(lambda conn: self._owned_in(conn, owner_id, bot_id))

    async def update(
        self,
        caller: Principal,
        context: RequestContext,
        bot_id: str,
        *,
        display_name: str | None,
        scopes: Sequence[str] | None,
    ) -> SeenBot:
        """Change what is given. Other scopes count at once: open sockets close and may come back.

        Raises:
            ApiError: `NOT_FOUND`.
        """
        now = self._clock.now()

        def work(tx: WriteTx) -> SeenBot:
            seen = self._owned_in(tx.conn, caller.user_id, bot_id)
            changed = []
            if display_name is not None and display_name != seen.user.display_name:
                self._users.rename_in(tx, bot_id, display_name, now)
                changed.append("display_name")
            if scopes is not None and set(scopes) != set(seen.token.scopes):
                store.set_scopes(tx, seen.token.token_hash, _once(scopes))
                self._begin_anew_in(tx, seen.token, rules.CLOSE_COME_BACK)
                changed.append("scopes")
            if changed:
                details = {"fields": ",".join(changed)}
                self._record_in(tx, "profile_updated", caller, context, bot_id, details)
            return self._owned_in(tx.conn, caller.user_id, bot_id)

        return await self._database.write(work)

    async def rotate(self, caller: Principal, context: RequestContext, bot_id: str) -> str:
        """A new token; the old one stops at once. Raises ApiError `NOT_FOUND`."""
        now, secret = self._clock.now(), new_bot_token()

        def work(tx: WriteTx) -> None:
            old = self._owned_in(tx.conn, caller.user_id, bot_id).token
            self._revoke_in(tx, old, now)
            new = BotToken(digest(secret), new_id(), bot_id, old.scopes, now, last_used_at=old.last_used_at)
            store.add_token(tx, new)
            self._record_in(tx, "bot_token_rotated", caller, context, bot_id)

        await self._database.write(work)
        return secret

    async def delete(self, caller: Principal, context: RequestContext, bot_id: str) -> None:
        """The bot acts no more; what it wrote stays. Raises ApiError `NOT_FOUND`, for a repeat too."""
        now = self._clock.now()

        def work(tx: WriteTx) -> None:
            seen = self._owned_in(tx.conn, caller.user_id, bot_id)
            self._revoke_in(tx, seen.token, now)
            self._users.retire_in(tx, bot_id, now)
            self._record_in(tx, "bot_deleted", caller, context, bot_id)

        await self._database.write(work)

    def shut_out_in(self, tx: WriteTx, user_id: str, close: int) -> None:
        bot_ids = [user_id, *self._all_of_in(tx.conn, user_id)]
        for token in store.live_tokens(tx.conn, bot_ids).values():
            self._begin_anew_in(tx, token, close)

    def retire_owned_in(self, tx: WriteTx, owner_id: str) -> int:
        now, bot_ids = self._clock.now(), self._all_of_in(tx.conn, owner_id)
        for token in store.live_tokens(tx.conn, bot_ids).values():
            self._revoke_in(tx, token, now)
        for bot_id in bot_ids:
            self._users.retire_in(tx, bot_id, now)
        return len(bot_ids)

    async def purge(self) -> int:
        """Forget tokens revoked and webhooks deleted 30 days ago, one batch of each; returns how many."""
        before = self._clock.now() - _KEPT_MS
        return await self._database.write(
            lambda tx: store.purge_tokens(tx, before, _BATCH) + store.purge_webhooks(tx, before, _BATCH)
        )

    def _all_of_in(self, conn: Connection, owner_id: str) -> list[str]:
        found: list[str] = []
        after: tuple[int, str] | None = None
        while page := self._users.owned_in(conn, owner_id, after=after, limit=_BATCH):
            found += [bot.user_id for bot in page]
            after = (page[-1].created_at, page[-1].user_id)
        return found

    def _owned_in(self, conn: Connection, owner_id: str, bot_id: str) -> SeenBot:
        bot = self._users.find_in(conn, bot_id)
        if bot is None or bot.owner_id != owner_id:
            raise rules.no_bot()
        return SeenBot(bot, store.live_tokens(conn, [bot_id])[bot_id])

    def _revoke_in(self, tx: WriteTx, token: BotToken, now: int) -> None:
        store.revoke_token(tx, token.token_hash, now)
        self._tell_in(tx, token, rules.CLOSE_REVOKED)

    def _begin_anew_in(self, tx: WriteTx, token: BotToken, close: int) -> None:
        """End what was opened with this token; the token goes on, with another id."""
        store.rename_token(tx, token.token_hash, new_id())
        self._tell_in(tx, token, close)

    def _tell_in(self, tx: WriteTx, token: BotToken, close: int) -> None:
        ended = SessionEnded(token.bot_id, token.token_id, close)
        tx.after_commit(lambda: self._bus.publish(CONTROL, ended))

    def _record_in(
        self,
        tx: WriteTx,
        event: str,
        caller: Principal,
        context: RequestContext,
        bot_id: str,
        details: dict[str, str] | None = None,
    ) -> None:
        self._audit.record_in(
            tx,
            AuditEntry(
                event=event,
                actor_id=caller.user_id,
                session_id=caller.session_id,
                target_type="bot",
                target_id=bot_id,
                context=context,
                details=details or {},
            ),
        )


def _once(scopes: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(scopes))
