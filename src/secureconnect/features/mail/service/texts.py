"""Every text that is mailed, in one place.

A body is paragraphs between blank lines, filled in by name. `<link>` stands for the one thing that the
reader is asked to open, and `<code>` for what it holds, for people whose app asks for a code. Nothing that a
stranger chose freely (display names, new addresses) is ever part of a text: mails must not carry the words of
others to third people.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from secureconnect.features.mail.api import FactorChange

__all__ = ["CODE", "FACTOR_CHANGES", "FOOTER", "GREETING", "LINK", "LOCKED", "TEXTS", "TYPE_IT", "Text"]

LINK: Final = "<link>"
CODE: Final = "<code>"


class Text(NamedTuple):
    """`button` and `path` belong to the link."""

    subject: str
    body: str
    button: str = ""
    path: str = ""

    def paragraphs(self) -> list[str]:
        """The body, each paragraph on one line."""
        return [" ".join(paragraph.split()) for paragraph in self.body.strip().split("\n\n")]


GREETING: Final = "Hello,"
TYPE_IT: Final = "If your app asks for a code instead, give it this one:"
FOOTER: Final = "This mail was written by the SecureConnect server at {server}. Nobody reads answers to it."

_NOT_YOU_RESET: Final = """
    If that was not you, set a new password at once: open {server}, choose 'Forgot password' and follow the
    mail that you get. It ends all sessions.
"""
_NOT_YOU_SESSION: Final = """
    If that was not you, change your password and end the sessions that you do not know: {server}
"""

TEXTS: Final[Mapping[str, Text]] = {
    "email_verify": Text(
        "Confirm your e-mail address",
        """
        an account at {server} was made with this e-mail address. Confirm that it is yours:

        <link>

        <code>

        The link works once, for {period}.

        If you did not make an account, you need to do nothing.
        """,
        button="Confirm the address",
        path="/verify-email",
    ),
    "password_reset": Text(
        "Set a new password",
        """
        somebody asked to set a new password for your account {username} at {server}. Do it here:

        <link>

        <code>

        The link works once, for {period}. A new password ends all sessions.

        If that was not you, you need to do nothing: your password stays as it is.
        """,
        button="Set a new password",
        path="/reset-password",
    ),
    "email_change": Text(
        "Confirm your new e-mail address",
        """
        an account at {server} shall use this e-mail address from now on. Confirm that it is yours:

        <link>

        <code>

        The link works once, for {period}, for who is logged in to that account.

        If you did not ask for this, you need to do nothing.
        """,
        button="Use this address",
        path="/change-email",
    ),
    "email_change_notice": Text(
        "Your e-mail address is about to change",
        f"""
        on {{at}}, from the address {{ip}}, somebody who knows the password of your account {{username}} at
        {{server}} asked to replace this e-mail address by another one. It changes when the new one is
        confirmed.

        {_NOT_YOU_RESET.strip()}
        """,
    ),
    "new_device": Text(
        "A login from a new device",
        f"""
        on {{at}} somebody logged in to your account {{username}} at {{server}} from a device and an address
        that it never used: {{device}}, {{ip}}.

        {_NOT_YOU_SESSION.strip()}
        """,
    ),
    "password_changed": Text(
        "Your password was changed",
        f"""
        on {{at}}, from the address {{ip}}, the password of your account {{username}} at {{server}} was
        changed.

        {_NOT_YOU_RESET.strip()}
        """,
    ),
    "account_locked": Text(
        "Somebody tries to get into your account",
        """
        on {at} logging in to your account {username} at {server} failed too often. {locked}

        If that was not you, somebody guesses your password. You need to do nothing while it is long and used
        nowhere else.
        """,
    ),
    "second_factor_changed": Text(
        "The second factor of your account changed",
        f"""
        on {{at}}, for your account {{username}} at {{server}}: {{change}}.

        {_NOT_YOU_SESSION.strip()}
        """,
    ),
    "account_deleted": Text(
        "Your account was deleted",
        """
        on {at} your account {username} at {server} was deleted. On {erase_at} everything in it will be erased
        for good.

        Until then an administrator of the server can restore it.
        """,
    ),
}

#: Who is locked out: the guesser's address, or everybody at an address that is new to the account.
LOCKED: Final[Mapping[bool, str]] = {
    False: "The address that the attempts came from is locked out for {period}.",
    True: "The attempts came from many addresses: for {period} only those that you used before can log in.",
}

FACTOR_CHANGES: Final[Mapping[FactorChange, str]] = {
    "totp_enabled": "codes of an authenticator app are asked for at every login from now on",
    "totp_disabled": "codes of an authenticator app are not asked for any more",
    "recovery_codes_renewed": "new recovery codes were made; the old ones work no more",
    "passkey_added": "a passkey was added",
    "passkey_removed": "a passkey was removed",
    "reset_by_admin": "an administrator took all second factors away",
}
