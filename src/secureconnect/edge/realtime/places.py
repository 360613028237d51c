"""How many sockets one process and one user may hold (docs/reference/realtime.md §1); both kinds together."""

import random

from secureconnect.edge.realtime.settings import RealtimeSettings
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Place", "Places"]


class Place:
    """The right to one open socket, from admission until the socket is closed."""

    __slots__ = ("_places", "_user_id")

    def __init__(self, places: "Places", user_id: str) -> None:
        self._places: Places | None = places
        self._user_id = user_id

    def release(self) -> None:
        """Give the place back; further calls do nothing."""
        places, self._places = self._places, None
        if places is not None:
            places._give_back(self._user_id)


class Places:
    """Counts the places of this process."""

    __slots__ = ("_by_user", "_settings", "_taken")

    def __init__(self, settings: RealtimeSettings) -> None:
        self._settings = settings
        self._by_user: dict[str, int] = {}
        self._taken = 0

    def __len__(self) -> int:
        return self._taken

    def take(self, user_id: str) -> Place:
        """Hold a place for a socket of `user_id`.

        Raises:
            ApiError: `USER_CONNECTION_LIMIT` or `TOO_MANY_CONNECTIONS`, with a jittered `retry_after`.
        """
        mine = self._by_user.get(user_id, 0)
        if mine >= self._settings.max_sockets_per_user:
            raise ApiError(
                ErrorCode.USER_CONNECTION_LIMIT,
                f"At most {self._settings.max_sockets_per_user} sockets per user.",
                retry_after=soon(),
            )
        if self._taken >= self._settings.max_sockets:
            raise ApiError(ErrorCode.TOO_MANY_CONNECTIONS, retry_after=soon())
        self._by_user[user_id] = mine + 1
        self._taken += 1
        return Place(self, user_id)

    def _give_back(self, user_id: str) -> None:
        self._taken -= 1
        left = self._by_user[user_id] - 1
        if left:
            self._by_user[user_id] = left
        else:
            del self._by_user[user_id]


def soon() -> int:
    """Seconds for `Retry-After`, spread so that refused clients do not return together."""
    return random.randint(1, 10)  # noqa: S311 - jitter, not a secret
