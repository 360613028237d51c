"""What both edges ask about a caller; answered by the auth, audit and limits owners, wired in `app`."""

from typing import Protocol

from secureconnect.kit.errors import ApiError
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Authenticator", "Denials"]


class Authenticator(Protocol):
    """Turns a bearer token into a caller."""

    async def authenticate(self, token: str) -> Principal:
        """The caller behind `token`.

        Raises:
            ApiError: `UNAUTHORIZED`, `TOKEN_EXPIRED` or `TOKEN_REVOKED`; a 503 code when revocation cannot be
                checked: never "allowed" by default.
        """

    async def require_admin(self, principal: Principal) -> None:
        """Raises ApiError `FORBIDDEN` unless the database says that this user is a server admin now."""

    async def require_fresh(self, principal: Principal) -> None:
        """Raises ApiError `REAUTH_REQUIRED` unless the session authenticated within `auth.reauth_max_age`."""


class Denials(Protocol):
    """Keeps a record of refused access."""

    def denied(self, principal: Principal, context: RequestContext, action: str, error: ApiError) -> None:
        """One `ApiError.denial`. `action` is a route template like `GET /v1/…`, or `socket <command>`. Never
        blocks."""
