"""Sections about what the product allows its users."""

import os
from typing import Annotated, Literal

import msgspec

from secureconnect.app.settings.sign_on import OidcProvider
from secureconnect.kit.settings import Section, about

__all__ = [
    "AuthSettings",
    "ConversationSettings",
    "FriendSettings",
    "MessagingSettings",
    "PresenceSettings",
]


def _cpu_count() -> int:
    return len(os.sched_getaffinity(0))


class AuthSettings(Section, frozen=True):
    """Accounts, passwords, tokens and sessions."""

    registration: Annotated[Literal["open", "closed"], about("whether strangers may make accounts")] = "open"
    email_verification: Annotated[
        Literal["off", "optional", "required"],
        about("`optional` mails a link to new accounts, `required` lets nobody in before it was opened"),
    ] = "off"
    reset_ttl: Annotated[
        int, about("lifetime of links that set a new password", unit="s", ge=1, le=86_400)
    ] = 3600
    email_change_ttl: Annotated[
        int, about("lifetime of links that change the e-mail address", unit="s", ge=1, le=604_800)
    ] = 86_400
    notify_new_device: Annotated[
        bool, about("tell people about a login from a device and an address that are new to their account")
    ] = True
    password_min: Annotated[int, about("shortest password", unit="code points", ge=8, le=64)] = 8
    argon2_memory_kib: Annotated[
        int, about("memory of one Argon2id hash; only up", unit="KiB", ge=19_456, le=4_194_304)
    ] = 19_456
    argon2_time: Annotated[int, about("passes of Argon2id; only up", ge=2, le=100)] = 2
    argon2_parallelism: Annotated[int, about("lanes of Argon2id; only up", ge=1, le=64)] = 1
    hash_concurrency: Annotated[
        int, about("password hashes at once", default="number of CPUs", ge=1, le=1024)
    ] = msgspec.field(default_factory=_cpu_count)
    access_ttl: Annotated[int, about("lifetime of access tokens", unit="s", ge=1, le=86_400)] = 900
    issuer: Annotated[str, about("`iss` of access tokens", min_length=1)] = "secureconnect-auth"
    refresh_ttl: Annotated[
        int, about("lifetime of refresh tokens since their last rotation", unit="s", ge=1, le=315_360_000)
    ] = 2_592_000
    revocation_cache_ttl: Annotated[
        float, about("how long a session's state may be remembered", unit="s", ge=0, le=5)
    ] = 5
    lockout_failures: Annotated[
        int, about("failures on one account from one address that lock it there", ge=1, le=1000)
    ] = 5
    lockout_window: Annotated[int, about("time in which failures count", unit="s", ge=1, le=86_400)] = 900
    lockout_duration: Annotated[int, about("length of a lock", unit="s", ge=1, le=86_400)] = 900
    lockout_account_failures: Annotated[
        int,
        about(
            "failures on one account in 60 minutes that lock it for addresses new to it", ge=1, le=1_000_000
        ),
    ] = 100
    max_sessions: Annotated[
        int, about("sessions per user; the longest unused one gives way", ge=1, le=10_000)
    ] = 50
    key_rotation_days: Annotated[
        int, about("age at which a signing key is replaced", unit="d", ge=1, le=3650)
    ] = 90
    reauth_max_age: Annotated[
        int, about("how fresh an authentication must be for guarded actions", unit="s", ge=1, le=86_400)
    ] = 900
    webauthn_rp_id: Annotated[
        str,
        about(
            "domain that passkeys belong to: the host of `server.public_url`, or a domain above it. "
            "With another one, all passkeys are lost",
            default="the host of `server.public_url`",
        ),
    ] = ""
    admin_mfa_required: Annotated[
        bool, about("whether server admins need a second factor for what only they may do")
    ] = False
    oidc_providers: Annotated[
        tuple[OidcProvider, ...], about("where people may log in instead of here: single sign-on")
    ] = ()
    oidc_redirect_uris: Annotated[
        tuple[str, ...],
        about("addresses of applications to which logins at providers may lead back, compared exactly"),
    ] = ()
    oidc_signup: Annotated[
        bool,
        about("whether who logs in at a provider gets a new account, also with `registration` closed"),
    ] = True


class ConversationSettings(Section, frozen=True):
    """Direct and group chats."""

    max_members: Annotated[int, about("members of a group", ge=2, le=100_000)] = 1000
    max_pins: Annotated[int, about("pinned messages of one conversation", ge=1, le=10_000)] = 100
    invite_ttl: Annotated[int, about("lifetime of invite links", unit="s", ge=1, le=31_536_000)] = 604_800
    max_per_user: Annotated[int, about("conversations of one user", ge=1, le=1_000_000)] = 10_000


class MessagingSettings(Section, frozen=True):
    """Messages."""

    max_content_chars: Annotated[int, about("longest text", unit="code points", ge=1, le=100_000)] = 10_000
    max_encrypted_bytes: Annotated[
        int, about("longest encrypted content", unit="bytes", ge=1, le=1_048_576)
    ] = 65_536
    max_attachments: Annotated[int, about("files of one message", ge=1, le=100)] = 10
    edit_window: Annotated[
        int, about("how long a message can be edited; 0 for ever", unit="s", ge=0, le=315_360_000)
    ] = 86_400
    delete_window: Annotated[
        int,
        about(
            "how long a sender can delete a message for everyone; 0 for ever", unit="s", ge=0, le=315_360_000
        ),
    ] = 0
    max_edits: Annotated[int, about("edits of one message", ge=1, le=10_000)] = 100
    max_scheduled: Annotated[int, about("pending scheduled messages of one user", ge=1, le=10_000)] = 100
    dedup_hours: Annotated[
        int, about("how long a `client_message_id` is remembered", unit="h", ge=24, le=8760)
    ] = 168
    unread_cap: Annotated[int, about("highest unread count that is reported", ge=1, le=100_000)] = 1000


class FriendSettings(Section, frozen=True):
    """Friends."""

    max: Annotated[int, about("friends of one user", ge=1, le=1_000_000)] = 5000
    max_pending: Annotated[int, about("open outgoing requests of one user", ge=1, le=100_000)] = 200


class PresenceSettings(Section, frozen=True):
    """Who is online."""

    ttl: Annotated[float, about("how long a presence set over HTTP lasts", unit="s", gt=0, le=86_400)] = 300
    offline_grace: Annotated[
        float, about("time from a device's last socket to being offline", unit="s", ge=0, le=3600)
    ] = 10
    min_interval: Annotated[
        float, about("least time between two frames about one user", unit="s", ge=0, le=3600)
    ] = 5
