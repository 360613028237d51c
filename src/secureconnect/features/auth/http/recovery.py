"""Routes for who has lost the password (docs/reference/http.md, auth)."""

from msgspec import Struct

from secureconnect.edge.http.routing import Access, Call, Done, Reply, Route, done
from secureconnect.features.auth.http.fields import MailedToken, Password
from secureconnect.features.auth.service import Recovery
from secureconnect.features.users.api import Email
from secureconnect.kit.errors import ErrorCode

__all__ = ["routes"]


class RequestBody(Struct):
    email: Email


class ConfirmBody(Struct):
    token: MailedToken
    new_password: Password


def routes(recovery: Recovery) -> list[Route]:
    """Password reset by mail."""

    async def request(call: Call[RequestBody, None]) -> Reply:
        await recovery.request(call.body.email, call.context)
        return done("If an account has this address, a mail is on its way to it.")

    async def confirm(call: Call[ConfirmBody, None]) -> Reply:
        await recovery.confirm(call.body.token, call.body.new_password, call.context)
        return done("The password was set; all sessions have ended.")

    return [
        Route(
            method="POST",
            path="/v1/auth/password-reset/request",
            handler=request,
            summary="Ask for a mail that lets the owner of an account set a new password",
            tag="auth",
            access=Access.PUBLIC,
            row="password_reset_request",
            body=RequestBody,
            returns={200: Done},
        ),
        Route(
            method="POST",
            path="/v1/auth/password-reset/confirm",
            handler=confirm,
            summary="Set a new password with the token of that mail",
            tag="auth",
            access=Access.PUBLIC,
            row="password_reset_confirm",
            body=ConfirmBody,
            returns={200: Done},
            errors=(ErrorCode.INVALID_TOKEN,),
        ),
    ]
