"""Rate limits: requests per 60 s in a sliding window."""

from typing import Annotated

import msgspec

from secureconnect.kit.settings import Section, about

__all__ = ["RateLimitSettings"]

_MAX = 1_000_000


class RateLimitSettings(Section, frozen=True):
    """Rows of requests per 60 s; reads and writes count separately; 0 lifts a row."""

    enabled: Annotated[bool, about("`false` lifts all rows and the command limits of sockets")] = True
    register: Annotated[int, about("`/v1/auth/register`", ge=0, le=_MAX)] = 5
    login: Annotated[int, about("`/v1/auth/login`, `/v1/auth/passkeys/login/…`", ge=0, le=_MAX)] = 10
    mfa_verify: Annotated[int, about("`/v1/auth/mfa/verify`, `/v1/auth/reauthenticate`", ge=0, le=_MAX)] = 10
    refresh: Annotated[int, about("`/v1/auth/refresh`", ge=0, le=_MAX)] = 10
    password_reset_request: Annotated[int, about("`/v1/auth/password-reset/request`", ge=0, le=_MAX)] = 3
    password_reset_confirm: Annotated[int, about("`/v1/auth/password-reset/confirm`", ge=0, le=_MAX)] = 5
    email_verify: Annotated[
        int, about("`/v1/auth/verify-email`, `/v1/auth/verify-email/resend`", ge=0, le=_MAX)
    ] = 5
    users_me: Annotated[int, about("`/v1/users/me`", ge=0, le=_MAX)] = 50
    users_me_password: Annotated[int, about("`/v1/users/me/password`", ge=0, le=_MAX)] = 5
    users_me_email: Annotated[int, about("`/v1/users/me/email…`", ge=0, le=_MAX)] = 5
    friends: Annotated[int, about("`/v1/users/me/friends` and friend requests", ge=0, le=_MAX)] = 30
    friend_request: Annotated[int, about("`/v1/users/{id}/friend`", ge=0, le=_MAX)] = 20
    block: Annotated[int, about("`/v1/users/{id}/block`, `/v1/users/me/blocked`", ge=0, le=_MAX)] = 20
    users: Annotated[int, about("`/v1/users/{id}`", ge=0, le=_MAX)] = 100
    user_search: Annotated[int, about("`/v1/users/search`", ge=0, le=_MAX)] = 30
    conversations: Annotated[int, about("`/v1/conversations`", ge=0, le=_MAX)] = 50
    conversation: Annotated[
        int, about("`/v1/conversations/{id}`: settings, archive, mute, …", ge=0, le=_MAX)
    ] = 100
    participants: Annotated[int, about("participants, leave, transfer", ge=0, le=_MAX)] = 30
    invites: Annotated[int, about("invites of a conversation, `/v1/invites/{code}`", ge=0, le=_MAX)] = 20
    messages: Annotated[int, about("`/v1/messages`, read marks; socket sends too", ge=0, le=_MAX)] = 100
    events: Annotated[int, about("`/v1/conversations/{id}/events`", ge=0, le=_MAX)] = 300
    sync: Annotated[int, about("`/v1/sync`", ge=0, le=_MAX)] = 60
    presence: Annotated[int, about("`/v1/presence`", ge=0, le=_MAX)] = 60
    polls: Annotated[int, about("`/v1/polls`", ge=0, le=_MAX)] = 50
    poll_vote: Annotated[int, about("`/v1/polls/vote`", ge=0, le=_MAX)] = 60
    calls_initiate: Annotated[int, about("`/v1/calls/initiate`", ge=0, le=_MAX)] = 10
    calls_join: Annotated[int, about("`/v1/calls/{id}/join`", ge=0, le=_MAX)] = 10
    calls: Annotated[int, about("the rest of `/v1/calls`", ge=0, le=_MAX)] = 30
    bots: Annotated[int, about("`/v1/bots`", ge=0, le=_MAX)] = 20
    hooks: Annotated[int, about("`/v1/hooks`, counted for each webhook", ge=0, le=_MAX)] = 60
    reports: Annotated[int, about("`/v1/reports`", ge=0, le=_MAX)] = 10
    upload_url: Annotated[int, about("begin, renew and complete uploads", ge=0, le=_MAX)] = 20
    download_url: Annotated[int, about("download URLs", ge=0, le=_MAX)] = 30
    files: Annotated[int, about("the rest of `/v1/storage`", ge=0, le=_MAX)] = 20
    notifications: Annotated[int, about("`/v1/notifications`", ge=0, le=_MAX)] = 50
    notifications_read_all: Annotated[int, about("`/v1/notifications/read-all`", ge=0, le=_MAX)] = 20
    push_tokens: Annotated[int, about("`/v1/push/…`", ge=0, le=_MAX)] = 30
    push_test: Annotated[int, about("`/v1/push/test`", ge=0, le=_MAX)] = 5
    ws_connect: Annotated[int, about("socket upgrades", ge=0, le=_MAX)] = 30
    ws_tickets: Annotated[int, about("`/v1/ws/tickets`", ge=0, le=_MAX)] = 30
    admin_stats: Annotated[int, about("`/v1/admin/stats`, health, queues", ge=0, le=_MAX)] = 30
    admin_users: Annotated[int, about("`/v1/admin/users` and other `/v1/admin/…`", ge=0, le=_MAX)] = 20
    admin_audit: Annotated[int, about("`/v1/admin/audit-logs`", ge=0, le=_MAX)] = 50
    default: Annotated[int, about("every other limited route", ge=0, le=_MAX)] = 100

    def rows(self) -> dict[str, int]:
        """Requests per 60 s by row."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if name != "enabled"}
