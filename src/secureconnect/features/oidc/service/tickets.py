"""What a login carries from one of its steps to the next: single-use tokens with sealed contents."""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from sqlalchemy import Connection

from secureconnect.features.oidc import rules
from secureconnect.features.sessions.api import OneTimeToken, OneTimeTokens, Purpose
from secureconnect.infra.crypto.sealing import SealBroken
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.openid.base import Identity

__all__ = ["OidcTickets", "Outward", "Proof"]


T = TypeVar("T")


class Outward(msgspec.Struct, frozen=True):
    """Somebody is at a provider. `challenge` is that of the client which shall make the exchange."""

    provider: str
    redirect_uri: str
    nonce: str
    verifier: str
    challenge: str | None


class Proof(msgspec.Struct, frozen=True):
    """A provider said who somebody is."""

    provider: str
    identity: Identity
    challenge: str | None


class _Sealed(msgspec.Struct):
    sealed: bytes


_STATE: Final[Purpose] = "oidc_state"
_CODE: Final[Purpose] = "oidc_code"


class OidcTickets:
    """Issues and redeems `state` and `code`. Both are stored as hashes, and what they carry is encrypted: it
    holds secrets, names and addresses.
    """

    def __init__(
        self,
        tokens: OneTimeTokens,
        seal: Callable[[bytes, str], bytes],
        unseal: Callable[[bytes, str], bytes],
    ) -> None:
        self._tokens = tokens
        self._seal = seal
        self._unseal = unseal

    def leave_in(self, tx: WriteTx, outward: Outward) -> str:
        """The `state` of somebody who goes to a provider."""
        return self._issue_in(tx, _STATE, outward, rules.STATE_SECONDS)

    def return_in(self, tx: WriteTx, state: str, provider: str) -> Outward | None:
        """Use up the `state` of who comes back from this provider; None if nobody went there with it."""
        found = self._tokens.find_in(tx.conn, _STATE, state)
        outward = self._opened(found, _STATE, Outward)
        if outward is None or outward.provider != provider:
            return None
        return outward if self._tokens.take_in(tx, _STATE, state) is not None else None

    def prove_in(self, tx: WriteTx, proof: Proof) -> str:
        """The `code` that stands for this proof."""
        return self._issue_in(tx, _CODE, proof, rules.CODE_SECONDS)

    def find_in(self, conn: Connection, code: str) -> Proof | None:
        """What a live code stands for."""
        return self._opened(self._tokens.find_in(conn, _CODE, code), _CODE, Proof)

    def take_in(self, tx: WriteTx, code: str) -> Proof | None:
        """Like `find_in`, and the code is used up."""
        return self._opened(self._tokens.take_in(tx, _CODE, code), _CODE, Proof)

    def _issue_in(self, tx: WriteTx, purpose: Purpose, inside: Outward | Proof, seconds: int) -> str:
        payload = _Sealed(self._seal(msgspec.json.encode(inside), purpose))
        return self._tokens.issue_in(
            tx, purpose, msgspec.json.encode(payload).decode(), user_id=None, seconds=seconds
        )

    def _opened(self, token: OneTimeToken | None, purpose: Purpose, type_: type[T]) -> T | None:
        if token is None:
            return None
        sealed = msgspec.json.decode(token.payload, type=_Sealed).sealed
        try:
            return msgspec.json.decode(self._unseal(sealed, purpose), type=type_)
        except SealBroken:  # the master key was replaced meanwhile
            return None
