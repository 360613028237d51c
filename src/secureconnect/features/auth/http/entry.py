"""Routes of registration, login and passwords (docs/reference/http.md, auth)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from secureconnect.edge.http.routing import Access, Call, Done, Reply, Route, done
from secureconnect.features.auth.api import (
    AssertionCredential,
    AuthResult,
    MfaRequired,
    SecondFactors,
    auth_result,
    login_result,
)
from secureconnect.features.auth.http.fields import DeviceName, Password, TypedPassword
from secureconnect.features.auth.service import Accounts, Login
from secureconnect.features.users.api import (
    DisplayName,
    Email,
    User,
    Username,
    UserRecord,
    Users,
    username_fault,
)
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ErrorCode, invalid
from secureconnect.kit.objects import Id, Time

__all__ = ["routes"]


class RegisterBody(Struct):
    email: Email
    username: Username
    password: Password
    display_name: DisplayName
    device_name: DeviceName | None = None


class LoginBody(Struct):
    password: TypedPassword
    email: Annotated[str, Meta(min_length=1, max_length=254, extra={"clean": "name"})] | None = None
    username: Annotated[str, Meta(min_length=1, max_length=254, extra={"clean": "name"})] | None = None
    device_name: DeviceName | None = None


class ReauthenticateBody(Struct):
    """Exactly one of them; `code` is one of an authenticator app."""

    password: TypedPassword | None = None
    code: Annotated[str, Meta(min_length=6, max_length=6, extra={"clean": "name"})] | None = None
    credential: AssertionCredential | None = None


class PasswordBody(Struct):
    old_password: TypedPassword
    new_password: Password


class Unverified(Struct, frozen=True, kw_only=True):
    """A user whose first login has to wait until the e-mail address is verified."""

    user: User
    email_verification_required: Literal[True] = True


class Identity(Struct, frozen=True, kw_only=True):
    """Who the bearer token belongs to."""

    user_id: Id
    email: str
    username: str
    role: Literal["user", "admin"]
    session_id: Id


class Authenticated(Struct, frozen=True):
    """When the session proved its owner last."""

    authenticated_at: Time


def routes(accounts: Accounts, login: Login, factors: SecondFactors, users: Users) -> list[Route]:
    """Everything that takes a password, and the profile behind a token."""

    async def register(call: Call[RegisterBody, None]) -> Reply:
        body = call.body
        made = await accounts.register(
            call.context,
            email=body.email,
            username=body.username,
            password=body.password,
            display_name=body.display_name,
            device_name=body.device_name,
            username_fault=username_fault(body.username),
        )
        if isinstance(made, UserRecord):
            return Reply(Unverified(user=await users.itself(made)), 201)
        return Reply(await auth_result(users, made), 201)

    async def log_in(call: Call[LoginBody, None]) -> Reply:
        body = call.body
        if (body.email is None) == (body.username is None):
            raise invalid(
                "email" if body.email is None else "username", "give exactly one of email and username"
            )
        entered = await login.login(
            call.context,
            email=body.email,
            username=body.username,
            password=body.password,
            device_name=body.device_name,
        )
        return Reply(await login_result(users, entered))

    async def reauthenticate(call: Call[ReauthenticateBody, None]) -> Reply:
        body = call.body
        given = [name for name in ("password", "code", "credential") if getattr(body, name) is not None]
        if len(given) != 1:
            raise invalid(
                given[1] if given else "password", "give exactly one of password, code and credential"
            )
        if body.password is not None:
            at = await login.reauthenticate(call.caller, call.context, body.password)
        else:
            credential = msgspec.to_builtins(body.credential) if body.credential else None
            at = await factors.reauthenticate(
                call.caller, call.context, code=body.code, credential=credential
            )
        return Reply(Authenticated(rfc3339(at)))

    async def profile(call: Call[None, None]) -> Reply:
        record = await users.get(call.caller.user_id)
        assert record is not None
        return Reply(
            Identity(
                user_id=record.user_id,
                email=record.email,
                username=record.username,
                role=record.role,
                session_id=call.caller.session_id,
            )
        )

    async def change_password(call: Call[PasswordBody, None]) -> Reply:
        await accounts.change_password(
            call.caller, call.context, call.body.old_password, call.body.new_password
        )
        return done("The password was changed; all other sessions have ended.")

    return [
        Route(
            method="POST",
            path="/v1/auth/register",
            handler=register,
            summary="Make an account",
            tag="auth",
            access=Access.PUBLIC,
            row="register",
            body=RegisterBody,
            returns={201: AuthResult | Unverified},
            errors=(ErrorCode.CONFLICT, ErrorCode.FEATURE_DISABLED),
        ),
        Route(
            method="POST",
            path="/v1/auth/login",
            handler=log_in,
            critical=True,
            summary="Start a session with a password",
            tag="auth",
            access=Access.PUBLIC,
            row="login",
            body=LoginBody,
            returns={200: AuthResult | MfaRequired},
            errors=(
                ErrorCode.INVALID_CREDENTIALS,
                ErrorCode.ACCOUNT_LOCKED,
                ErrorCode.ACCOUNT_BANNED,
                ErrorCode.EMAIL_NOT_VERIFIED,
            ),
        ),
        Route(
            method="POST",
            path="/v1/auth/reauthenticate",
            handler=reauthenticate,
            summary="Prove again that the session is yours",
            tag="auth",
            row="mfa_verify",
            body=ReauthenticateBody,
            returns={200: Authenticated},
            errors=(ErrorCode.INVALID_CREDENTIALS, ErrorCode.MFA_INVALID, ErrorCode.ACCOUNT_LOCKED),
            replayable=False,
        ),
        Route(
            method="GET",
            path="/v1/auth/profile",
            handler=profile,
            summary="Who the token belongs to",
            tag="auth",
            returns={200: Identity},
        ),
        Route(
            method="POST",
            path="/v1/users/me/password",
            handler=change_password,
            summary="Change the password",
            tag="auth",
            row="users_me_password",
            body=PasswordBody,
            returns={200: Done},
            errors=(ErrorCode.INVALID_CREDENTIALS, ErrorCode.ACCOUNT_LOCKED),
        ),
    ]
