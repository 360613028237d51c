"""Who a bearer token belongs to."""

from collections import OrderedDict
from collections.abc import Collection
from typing import Final, TypeVar

import jwt

from secureconnect.features.sessions import store
from secureconnect.features.sessions.service.endings import close_of
from secureconnect.features.sessions.service.keyring import KeyRing
from secureconnect.features.users.api import Users
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import CONTROL, Hint, KeysChanged, SessionEnded
from secureconnect.kit.principal import Principal

__all__ = ["AUDIENCE", "Access"]

AUDIENCE: Final = "secureconnect-api"
_LEEWAY: Final = 5
_REMEMBERED: Final = 50_000
V = TypeVar("V")


class Access:
    """Implements `edge.access.Authenticator`.

    A verified token is remembered until it expires, since verifying costs 70 µs and remembering 0.1 µs.
    Whether its session still lives is asked of the database at most every `revocation_cache_ttl` seconds; a
    revocation in this process takes effect at once, one elsewhere by a hint or within that time.
    """

    def __init__(
        self,
        database: Database,
        bus: Bus,
        keyring: KeyRing,
        users: Users,
        clock: Clock,
        *,
        issuer: str,
        revocation_cache_ttl: float,
        reauth_max_age: int,
        admin_mfa_required: bool = False,
    ) -> None:
        self._database = database
        self._bus = bus
        self._keyring = keyring
        self._users = users
        self._clock = clock
        self._issuer = issuer
        self._cache_ttl = revocation_cache_ttl
        self._reauth_ms = reauth_max_age * 1000
        self._admin_mfa_required = admin_mfa_required
        self._verified: OrderedDict[str, Principal] = OrderedDict()
        self._alive: OrderedDict[str, float] = OrderedDict()
        self._revocations = 0

    async def start(self) -> None:
        """Listen for revocations."""
        self._bus.on_doubt(self._forget_all)
        await self._bus.subscribe(CONTROL, self._ended)

    async def authenticate(self, token: str) -> Principal:
        principal = self._verified.get(token)
        now = self._clock.now()
        if principal is None:
            principal = await self._identify(token)
            _keep(self._verified, token, principal)
        elif principal.expires_at + _LEEWAY * 1000 <= now:
            del self._verified[token]
            raise ApiError(ErrorCode.TOKEN_EXPIRED, "The access token has expired.")
        checked = self._alive.get(principal.session_id)
        if checked is None or self._clock.monotonic() - checked >= self._cache_ttl:
            await self._check_session(principal, now)
        return principal

    async def require_admin(self, principal: Principal) -> None:
        if not await self._database.lookup(lambda conn: self._users.is_admin_in(conn, principal.user_id)):
            raise ApiError(ErrorCode.FORBIDDEN, "Only server admins may do this.")
        if self._admin_mfa_required and not await self._users.mfa_enabled(principal.user_id):
            raise ApiError(ErrorCode.FORBIDDEN, "Server admins need a second factor for this.")

    async def require_fresh(self, principal: Principal) -> None:
        state = await self._database.lookup(lambda conn: store.session_state(conn, principal.session_id))
        if state is None or state.authenticated_at + self._reauth_ms <= self._clock.now():
            raise ApiError(ErrorCode.REAUTH_REQUIRED, "Authenticate again before this action.")

    async def _identify(self, token: str) -> Principal:
        """Whom the token names; its key may be so new that only the process that signed knows it."""
        try:
            return self._verify(token)
        except ApiError:
            if await self._keyring.knows_more(_kid(token)):
                return self._verify(token)
            raise

    def _verify(self, token: str) -> Principal:
        """Signature and claims; only EdDSA is accepted, whatever the header says."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._keyring.public(kid) if isinstance(kid, str) else None
            if key is None:
                raise _refused()
            claims = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                issuer=self._issuer,
                # Time is checked below by the injected clock.
                options={
                    "require": ["sub", "sid", "jti", "role", "aud", "iss", "iat", "nbf", "exp"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            principal = Principal(
                user_id=str(claims["sub"]),
                session_id=str(claims["sid"]),
                jti=str(claims["jti"]),
                role="admin" if claims["role"] == "admin" else "user",
                expires_at=int(claims["exp"]) * 1000,
            )
            not_before = int(claims["nbf"])
        except (jwt.InvalidTokenError, ValueError, TypeError) as error:
            raise _refused() from error
        seconds = self._clock.now() / 1000
        if not_before > seconds + _LEEWAY:
            raise _refused()
        if principal.expires_at / 1000 + _LEEWAY <= seconds:
            raise ApiError(ErrorCode.TOKEN_EXPIRED, "The access token has expired.")
        return principal

    async def _check_session(self, principal: Principal, now: int) -> None:
        # Taken before the look-up: what commits meanwhile elsewhere is seen in time, and here at once.
        started, revocations = self._clock.monotonic(), self._revocations
        state = await self._database.lookup(lambda conn: store.session_state(conn, principal.session_id))
        if state is None or state.user_id != principal.user_id:
            raise _refused()
        if state.revoked_at is not None or state.expires_at <= now:
            raise ApiError(ErrorCode.TOKEN_REVOKED, "The session has ended.")
        if revocations == self._revocations:
            _keep(self._alive, principal.session_id, started)

    async def ended_among(self, principals: Collection[Principal]) -> dict[str, int]:
        """See `edge.realtime.base.Endings`."""
        ids = [principal.session_id for principal in principals]
        found = await self._database.read(lambda conn: store.revoked_among(conn, ids))
        return {session_id: close_of(reason) for session_id, reason in found.items()}

    def _forget_all(self, _over: bool) -> None:
        self._revocations += 1
        self._alive.clear()

    def _ended(self, hint: Hint) -> None:
        if isinstance(hint, SessionEnded):
            self._revocations += 1
            self._alive.pop(hint.session_id, None)
        elif isinstance(hint, KeysChanged):
            self._keyring.ask_again()


def _keep(cache: OrderedDict[str, V], key: str, value: V) -> None:
    cache[key] = value
    if len(cache) > _REMEMBERED:
        cache.popitem(last=False)


def _kid(token: str) -> str:
    """The key that an unverified token names; empty when it names none."""
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except (jwt.InvalidTokenError, ValueError, TypeError):
        return ""
    return kid if isinstance(kid, str) else ""


def _refused() -> ApiError:
    return ApiError(ErrorCode.UNAUTHORIZED, "The bearer token is not valid.")
