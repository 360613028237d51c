"""The paths of sockets as routes: described with the others, and answered where nobody asks to upgrade."""

from secureconnect.edge.http.routing import Access, Call, Reply, Route
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["socket_route"]

#: What every socket may answer to an upgrade; without one there is the first alone.
_REFUSALS = (
    ErrorCode.UPGRADE_REQUIRED,
    ErrorCode.UNAUTHORIZED,
    ErrorCode.TOKEN_EXPIRED,
    ErrorCode.TOKEN_REVOKED,
    ErrorCode.FORBIDDEN,
    ErrorCode.INSUFFICIENT_SCOPE,
    ErrorCode.ORIGIN_NOT_ALLOWED,
    ErrorCode.NOT_FOUND,
    ErrorCode.RATE_LIMIT_EXCEEDED,
    ErrorCode.USER_CONNECTION_LIMIT,
    ErrorCode.TOO_MANY_CONNECTIONS,
)


def socket_route(path: str, summary: str, query: type, *errors: ErrorCode) -> Route:
    """A socket at `path`; `errors` are those that only this one has."""

    async def without_upgrade(_: Call[None, None]) -> Reply:
        raise ApiError(ErrorCode.UPGRADE_REQUIRED, "Open a WebSocket here.")

    return Route(
        method="GET",
        path=path,
        handler=without_upgrade,
        summary=summary,
        tag="sockets",
        access=Access.PUBLIC,
        row=None,
        query=query,
        returns={},
        errors=(*_REFUSALS, *errors),
    )
