"""What authenticators are asked to sign: once, and within five minutes."""

from typing import Literal

import msgspec
from sqlalchemy import Connection

from secureconnect.features.factors import rules
from secureconnect.features.factors.service.relying_party import new_challenge
from secureconnect.features.sessions.api import OneTimeToken, OneTimeTokens
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import Principal

__all__ = ["Challenge", "Challenges"]


class Challenge(msgspec.Struct, frozen=True):
    """To register, in one session of one user; to log in, for whoever answers."""

    kind: Literal["register", "login"]
    challenge: bytes
    session_id: str | None = None


class Challenges:
    """Keeps challenges by their id."""

    def __init__(self, tokens: OneTimeTokens) -> None:
        self._tokens = tokens

    def issue_in(self, tx: WriteTx, caller: Principal | None = None) -> tuple[str, bytes]:
        """Id and bytes of a challenge: to register in the session of `caller`, without one to log in."""
        challenge_id = new_id()
        challenge = Challenge(
            "register" if caller else "login",
            new_challenge(challenge_id),
            caller.session_id if caller else None,
        )
        self._tokens.issue_in(
            tx,
            "webauthn",
            msgspec.json.encode(challenge).decode(),
            user_id=caller.user_id if caller else None,
            seconds=rules.CHALLENGE_SECONDS,
            token=challenge_id,
        )
        return challenge_id, challenge.challenge

    def find_in(
        self, conn: Connection, challenge_id: str, caller: Principal | None = None
    ) -> Challenge | None:
        """A live challenge of `caller`, or one to log in."""
        return _of(self._tokens.find_in(conn, "webauthn", challenge_id), caller)

    def take_in(self, tx: WriteTx, challenge_id: str, caller: Principal | None = None) -> Challenge | None:
        """Like `find_in`, and the challenge is used up by this."""
        if self.find_in(tx.conn, challenge_id, caller) is None:
            return None
        return _of(self._tokens.take_in(tx, "webauthn", challenge_id), caller)

    def void_in(self, tx: WriteTx, user_id: str) -> None:
        """Registrations under way end."""
        self._tokens.void_in(tx, "webauthn", user_id)


def _of(token: OneTimeToken | None, caller: Principal | None) -> Challenge | None:
    if token is None:
        return None
    challenge = msgspec.json.decode(token.payload, type=Challenge)
    if caller is None:
        return challenge if challenge.kind == "login" else None
    mine = token.user_id == caller.user_id and challenge.session_id == caller.session_id
    return challenge if challenge.kind == "register" and mine else None
