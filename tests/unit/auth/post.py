"""What people are told, kept for tests to look into."""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from secureconnect.features.mail.api import Letter, Preparer, Preparing
from secureconnect.features.users.api import SecurityEvent
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.principal import RequestContext

__all__ = ["HeardNotices", "Post", "Posted"]

L = TypeVar("L", bound=Letter)


class Posted(NamedTuple):
    """One letter on its way."""

    to: str
    letter: Letter
    good_for: int | None


class Post:
    """Stands in for `mail.api.Mailer`. What is to be prepared later is prepared at once."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self._preparers: dict[Preparing, Preparer] = {}

    def send_in(self, tx: WriteTx, to: str, letter: Letter, *, good_for: int | None = None) -> None:
        tx.after_commit(lambda: self.posted.append(Posted(to, letter, good_for)))

    def prepare_in(self, tx: WriteTx, what: Preparing, address: str, context: RequestContext) -> None:
        self._preparers[what](tx, address, context)

    def prepares(self, what: Preparing, preparer: Preparer) -> None:
        self._preparers[what] = preparer

    def to(self, address: str) -> list[Letter]:
        """The letters to this address, oldest first."""
        return [posted.letter for posted in self.posted if posted.to == address]

    def last(self, kind: type[L], to: str) -> L:
        """The newest letter of a kind to this address."""
        found = [letter for letter in self.to(to) if isinstance(letter, kind)]
        assert found, self.posted
        return found[-1]


class HeardNotices:
    """Stands in for `users.api.Notices`."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, SecurityEvent, Mapping[str, str]]] = []

    def security_in(self, tx: WriteTx, user_id: str, event: SecurityEvent, data: Mapping[str, str]) -> None:
        tx.after_commit(lambda: self.heard.append((user_id, event, data)))

    def of(self, user_id: str) -> list[SecurityEvent]:
        """What this user was told, oldest first."""
        return [event for told, event, _ in self.heard if told == user_id]
