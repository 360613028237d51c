"""Whom a bearer token belongs to, when it is a bot's."""

import contextlib
from collections import OrderedDict
from collections.abc import Collection
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.features.bots import rules, store
from secureconnect.features.bots.rules import BotLimits
from secureconnect.features.bots.service.secrets import digest
from secureconnect.features.bots.store import BotToken
from secureconnect.features.users.api import BotUsers, Users
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import CONTROL, Hint, SessionEnded
from secureconnect.kit.principal import Principal

__all__ = ["BotAccess"]

#: Bot tokens do not expire: 9999-12-31T00:00:00.000Z.
_NEVER: Final = 253_402_214_400_000
_REMEMBERED: Final = 10_000
_TOUCHED_MS: Final = 60_000


class _Known(Struct):
    """A token that was good when it was last asked for."""

    principal: Principal
    checked: float


class BotAccess:
    """Knows callers by their bot token. Implements `sessions.api.BotTokens` too.

    What a token allows is asked of the database at most every `revocation_cache_ttl` seconds; a change in
    this process takes effect at once, one elsewhere by a hint or within that time. In principals and on
    sockets the id of the token stands where people have a session.
    """

    def __init__(
        self,
        database: Database,
        bus: Bus,
        users: Users,
        bots: BotUsers,
        clock: Clock,
        limits: BotLimits,
        *,
        revocation_cache_ttl: float,
    ) -> None:
        self._database = database
        self._bus = bus
        self._users = users
        self._bots = bots
        self._clock = clock
        self._limits = limits
        self._cache_ttl = revocation_cache_ttl
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._keys: dict[str, bytes] = {}
        self._changes = 0

    async def start(self) -> None:
        """Listen for tokens that end."""
        self._bus.on_doubt(self._forget_all)
        await self._bus.subscribe(CONTROL, self._ended)

    async def authenticate(self, token: str) -> Principal:
        """The bot behind `token`.

        Raises:
            ApiError: `UNAUTHORIZED`, `TOKEN_REVOKED`, `FEATURE_DISABLED`; a 503 code when the database cannot
                be asked.
        """
        key = digest(token)
        known = self._known.get(key)
        if known is None or self._clock.monotonic() - known.checked >= self._cache_ttl:
            known = await self._check(key)
        rules.check_enabled(self._limits)
        return known.principal

    def principal_in(self, conn: Connection, bot_id: str, token_id: str) -> Principal | None:
        token = store.live_tokens(conn, [bot_id]).get(bot_id)
        if not self._limits.enabled or token is None or token.token_id != token_id:
            return None
        return _principal(token) if self._may_act_in(conn, bot_id) else None

    async def _check(self, key: bytes) -> _Known:
        # Taken before the look-up: what commits meanwhile elsewhere is seen in time, and here at once.
        started, changes = self._clock.monotonic(), self._changes

        def query(conn: Connection) -> tuple[BotToken | None, bool]:
            found = store.find_token(conn, key)
            return found, found is not None and self._may_act_in(conn, found.bot_id)

        token, allowed = await self._database.lookup(query)
        if token is None:
            raise ApiError(ErrorCode.UNAUTHORIZED, "The bearer token is not valid.")
        if token.revoked_at is not None or not allowed:
            self._known.pop(key, None)
            raise ApiError(ErrorCode.TOKEN_REVOKED, "The bot token works no more.")
        known = _Known(_principal(token), started)
        if changes == self._changes:
            self._keep(key, known)
        await self._touch(token)
        return known

    def _may_act_in(self, conn: Connection, bot_id: str) -> bool:
        """Whether the bot is there and neither it nor its owner is kept out."""
        bot = self._bots.find_in(conn, bot_id)
        if bot is None or not self._users.active_in(conn, [bot.owner_id]):
            return False
        now = self._clock.now()
        return all(self._users.ban_of_in(conn, each, now) is None for each in (bot_id, bot.owner_id))

    async def _touch(self, token: BotToken) -> None:
        """Note the use, at most once a minute. A store that takes no writes keeps nobody from reading."""
        now = self._clock.now()
        if token.last_used_at is not None and now - token.last_used_at < _TOUCHED_MS:
            return
        with contextlib.suppress(ApiError):
            await self._database.write(lambda tx: store.touch_token(tx, token.token_hash, now), brief=True)

    def _keep(self, key: bytes, known: _Known) -> None:
        self._known[key] = known
        self._keys[known.principal.user_id] = key
        if len(self._known) > _REMEMBERED:
            _, oldest = self._known.popitem(last=False)
            self._keys.pop(oldest.principal.user_id, None)

    async def ended_among(self, principals: Collection[Principal]) -> dict[str, int]:
        """See `edge.realtime.base.Endings`. A token that goes on under another id lets its bot come back."""
        bot_ids = {principal.user_id for principal in principals}
        live = await self._database.read(lambda conn: store.live_tokens(conn, bot_ids))
        ended: dict[str, int] = {}
        for principal in principals:
            token = live.get(principal.user_id)
            if token is None:
                ended[principal.session_id] = rules.CLOSE_REVOKED
            elif token.token_id != principal.session_id:
                ended[principal.session_id] = rules.CLOSE_COME_BACK
        return ended

    def _forget_all(self, _over: bool) -> None:
        self._changes += 1
        self._known.clear()
        self._keys.clear()

    def _ended(self, hint: Hint) -> None:
        if isinstance(hint, SessionEnded):
            self._changes += 1
            key = self._keys.pop(hint.user_id, None)
            if key is not None:
                self._known.pop(key, None)


def _principal(token: BotToken) -> Principal:
    return Principal(
        user_id=token.bot_id,
        session_id=token.token_id,
        jti=token.token_id,
        role="user",
        expires_at=_NEVER,
        kind="bot",
        scopes=frozenset(token.scopes),
    )
