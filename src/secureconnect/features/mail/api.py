"""How other features write to people."""

from collections.abc import Callable
from typing import Literal, Protocol

from msgspec import Struct

from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.principal import RequestContext

__all__ = [
    "AccountDeleted",
    "AccountLocked",
    "EmailChange",
    "EmailChangeNotice",
    "EmailVerify",
    "FactorChange",
    "Letter",
    "Mailer",
    "NewDevice",
    "PasswordChanged",
    "PasswordReset",
    "Preparer",
    "Preparing",
    "SecondFactorChanged",
]


class EmailVerify(Struct, frozen=True, tag="email_verify"):
    """To a new account: prove that the address is yours. `seconds` is how long `token` works."""

    token: str
    seconds: int


class PasswordReset(Struct, frozen=True, tag="password_reset"):
    """Set a new password with `token`, which works for `seconds`."""

    username: str
    token: str
    seconds: int


class EmailChange(Struct, frozen=True, tag="email_change"):
    """To the new address: prove that it is yours. `seconds` is how long `token` works."""

    token: str
    seconds: int


class EmailChangeNotice(Struct, frozen=True, tag="email_change_notice"):
    """To the present address: somebody with the password wants to replace it. Times in milliseconds."""

    username: str
    at: int
    ip: str


class NewDevice(Struct, frozen=True, tag="new_device"):
    """A login from a device and an address that the account never used."""

    username: str
    at: int
    ip: str
    device_name: str | None


class PasswordChanged(Struct, frozen=True, tag="password_changed"):
    """The password is another one now."""

    username: str
    at: int
    ip: str


class AccountLocked(Struct, frozen=True, tag="account_locked"):
    """Somebody guesses. `everywhere`: from many addresses; else from one, which is locked for `seconds`."""

    username: str
    at: int
    seconds: int
    everywhere: bool


FactorChange = Literal[
    "totp_enabled",
    "totp_disabled",
    "recovery_codes_renewed",
    "passkey_added",
    "passkey_removed",
    "reset_by_admin",
]


class SecondFactorChanged(Struct, frozen=True, tag="second_factor_changed"):
    """Something about the second factor is different now."""

    username: str
    at: int
    change: FactorChange


class AccountDeleted(Struct, frozen=True, tag="account_deleted"):
    """The account was deleted; everything of it is erased at `erase_at` (ms)."""

    username: str
    at: int
    erase_at: int


Letter = (
    EmailVerify
    | PasswordReset
    | EmailChange
    | EmailChangeNotice
    | NewDevice
    | PasswordChanged
    | AccountLocked
    | SecondFactorChanged
    | AccountDeleted
)

Preparing = Literal["password_reset", "email_verify"]
#: Writes what is to be written to this address, if anything, in a transaction of its own; with the request
#: that asked for it.
Preparer = Callable[[WriteTx, str, RequestContext], None]


class Mailer(Protocol):
    """Mails that go out because something was committed. Letters are stored sealed until they are sent."""

    def send_in(self, tx: WriteTx, to: str, letter: Letter, *, good_for: int | None = None) -> None:
        """Write to the address `to` once the transaction is committed; not to one below `.invalid`.

        Args:
            good_for: seconds after which the letter is of no use; it is given up then, or after
                `mail.max_age`.
        """

    def prepare_in(self, tx: WriteTx, what: Preparing, address: str, context: RequestContext) -> None:
        """Let the preparer of `what` write within a second or so. Costs the same whether there is anybody at
        `address`."""

    def prepares(self, what: Preparing, preparer: Preparer) -> None:
        """Who prepares; told once, before anything runs. The transaction may be run again."""
