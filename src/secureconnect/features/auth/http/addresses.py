"""Routes that prove and replace e-mail addresses (docs/reference/http.md, auth)."""

from msgspec import Struct

from secureconnect.edge.http.routing import Access, Call, Done, Reply, Route, done
from secureconnect.features.auth.http.fields import MailedToken, TypedPassword
from secureconnect.features.auth.service import Addresses
from secureconnect.features.users.api import Email, User, Users
from secureconnect.kit.errors import ErrorCode

__all__ = ["routes"]


class TokenBody(Struct):
    token: MailedToken


class ResendBody(Struct):
    email: Email


class ChangeBody(Struct):
    new_email: Email
    password: TypedPassword


def routes(addresses: Addresses, users: Users) -> list[Route]:
    """Verification of an address, and its change."""

    async def verify(call: Call[TokenBody, None]) -> Reply:
        await addresses.verify(call.body.token, call.context)
        return done("The e-mail address is verified.")

    async def resend(call: Call[ResendBody, None]) -> Reply:
        await addresses.ask_again(call.body.email, call.context)
        return done("If an account has this address unverified, a mail is on its way to it.")

    async def change(call: Call[ChangeBody, None]) -> Reply:
        await addresses.change(call.caller, call.context, call.body.new_email, call.body.password)
        return done("A mail is on its way to the new address; it counts once the token in it is used.", 202)

    async def confirm_change(call: Call[TokenBody, None]) -> Reply:
        record = await addresses.confirm_change(call.caller, call.context, call.body.token)
        return Reply(await users.itself(record))

    return [
        Route(
            method="POST",
            path="/v1/auth/verify-email",
            handler=verify,
            summary="Prove an e-mail address with the token that was mailed to it",
            tag="auth",
            access=Access.PUBLIC,
            row="email_verify",
            body=TokenBody,
            returns={200: Done},
            errors=(ErrorCode.INVALID_TOKEN,),
        ),
        Route(
            method="POST",
            path="/v1/auth/verify-email/resend",
            handler=resend,
            summary="Ask for that mail again",
            tag="auth",
            access=Access.PUBLIC,
            row="email_verify",
            body=ResendBody,
            returns={200: Done},
        ),
        Route(
            method="POST",
            path="/v1/users/me/email",
            handler=change,
            summary="Ask for another e-mail address",
            tag="auth",
            row="users_me_email",
            body=ChangeBody,
            returns={202: Done},
            errors=(ErrorCode.INVALID_CREDENTIALS, ErrorCode.ACCOUNT_LOCKED, ErrorCode.CONFLICT),
        ),
        Route(
            method="POST",
            path="/v1/users/me/email/verify",
            handler=confirm_change,
            summary="Take the new e-mail address with the token that was mailed to it",
            tag="auth",
            row="users_me_email",
            body=TokenBody,
            returns={200: User},
            errors=(ErrorCode.INVALID_TOKEN, ErrorCode.CONFLICT),
        ),
    ]
