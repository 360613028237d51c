"""Socket tickets: single-use credentials for clients that cannot set headers (docs/reference/realtime.md
§1).
"""

import secrets
from typing import Final, Literal

import msgspec

from secureconnect.features.sessions import store
from secureconnect.features.sessions.api import BotTokens
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import Principal

__all__ = ["TICKET_SECONDS", "Tickets"]

TICKET_SECONDS: Final = 30


class _Ticket(msgspec.Struct):
    """`conversation_id` is the id that the socket has to be about: of a call for signaling."""

    session_id: str
    purpose: str
    conversation_id: str | None
    role: Literal["user", "admin"]
    kind: Literal["user", "bot"] = "user"


class Tickets:
    """Issues and redeems tickets. They are kept durably, so a restart in between does not matter.

    Args:
        access_ttl: seconds that a socket opened by ticket may last without `token_refresh`; bots have no end.
    """

    def __init__(self, database: Database, bots: BotTokens, clock: Clock, *, access_ttl: int) -> None:
        self._database = database
        self._bots = bots
        self._clock = clock
        self._access_ttl = access_ttl

    async def issue(self, caller: Principal, bound: str | None, purpose: str = "chat") -> str:
        """A ticket for one socket, good for 30 s; `bound` is the id of what it has to be about."""
        ticket = secrets.token_urlsafe(32)
        payload = msgspec.json.encode(
            _Ticket(caller.session_id, purpose, bound, caller.role, caller.kind)
        ).decode()
        expires_at = self._clock.now() + TICKET_SECONDS * 1000
        await self._database.write(
            lambda tx: store.add_one_time(
                tx,
                store.hash_token(ticket),
                "ws_ticket",
                payload,
                user_id=caller.user_id,
                expires_at=expires_at,
            )
        )
        return ticket

    async def redeem(self, ticket: str, purpose: str, bound: str | None) -> Principal:
        """The caller who got this ticket; it is used up by this.

        Raises:
            ApiError: `UNAUTHORIZED` when it is unknown, used, expired or for something else, or when its
                session or bot token has ended.
        """
        now = self._clock.now()

        def work(tx: WriteTx) -> Principal | None:
            row = store.take_one_time(tx, store.hash_token(ticket), "ws_ticket", now)
            if row is None:
                return None
            taken = msgspec.json.decode(row.payload, type=_Ticket)
            if (taken.purpose, taken.conversation_id) != (purpose, bound):
                return None
            if taken.kind == "bot":
                return self._bots.principal_in(tx.conn, row.user_id or "", taken.session_id)
            state = store.session_state(tx.conn, taken.session_id)
            if state is None or state.revoked_at is not None or state.expires_at <= now:
                return None
            return Principal(
                user_id=state.user_id,
                session_id=taken.session_id,
                jti=new_id(),
                role=taken.role,
                expires_at=now + self._access_ttl * 1000,
            )

        principal = await self._database.write(work)
        if principal is None:
            raise ApiError(ErrorCode.UNAUTHORIZED, "The ticket is not valid.")
        return principal
