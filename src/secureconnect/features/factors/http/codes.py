"""Routes of TOTP and recovery codes."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from secureconnect.edge.http.routing import Access, Call, Done, Reply, Route, done
from secureconnect.edge.validation import Opaque
from secureconnect.features.auth.api import AuthResult, auth_result
from secureconnect.features.factors import rules
from secureconnect.features.factors.service import Enrolment, SecondFactorService
from secureconnect.features.users.api import Users
from secureconnect.kit.errors import ErrorCode

__all__ = ["code_routes"]

_Code = Annotated[str, Meta(min_length=6, max_length=16, extra={"clean": "name"})]
_TotpCode = Annotated[str, Meta(min_length=6, max_length=6, extra={"clean": "name"})]


class VerifyBody(Struct):
    mfa_token: Annotated[Opaque, Meta(min_length=1, max_length=256)]
    method: Literal["totp", "recovery_code"]
    code: _Code


class TotpCodeBody(Struct):
    code: _TotpCode


class CodeBody(Struct):
    code: _Code


class Factors(Struct, frozen=True):
    """What the account has besides its password."""

    totp_enabled: bool
    passkey_count: int
    recovery_codes_left: int


class TotpSetup(Struct, frozen=True):
    """A secret for an authenticator app, in base 32 and as the text of a QR code."""

    secret: Annotated[str, Meta(min_length=32, max_length=32)]
    otpauth_uri: str
    expires_in: int


class RecoveryCodes(Struct, frozen=True):
    """Shown this once; each works once."""

    recovery_codes: Annotated[
        list[Annotated[str, Meta(min_length=10, max_length=10)]], Meta(min_length=10, max_length=10)
    ]


def code_routes(enrolment: Enrolment, second_factors: SecondFactorService, users: Users) -> list[Route]:
    """Everything below `/v1/auth/mfa`."""

    async def overview(call: Call[None, None]) -> Reply:
        return Reply(Factors(*await enrolment.overview(call.caller)))

    async def set_up(call: Call[None, None]) -> Reply:
        setup = await enrolment.set_up(call.caller)
        return Reply(TotpSetup(setup.secret, setup.otpauth_uri, rules.SETUP_SECONDS))

    async def confirm(call: Call[TotpCodeBody, None]) -> Reply:
        return Reply(RecoveryCodes(await enrolment.confirm(call.caller, call.context, call.body.code)))

    async def switch_off(call: Call[CodeBody, None]) -> Reply:
        await enrolment.switch_off(call.caller, call.context, call.body.code)
        return done("Logins ask for no code any more.")

    async def renew(call: Call[None, None]) -> Reply:
        return Reply(RecoveryCodes(await enrolment.renew(call.caller, call.context)))

    async def verify(call: Call[VerifyBody, None]) -> Reply:
        body = call.body
        entered = await second_factors.verify(call.context, body.mfa_token, body.method, body.code)
        return Reply(await auth_result(users, entered))

    return [
        Route(
            method="GET",
            path="/v1/auth/mfa",
            handler=overview,
            summary="What the account has besides its password",
            tag="factors",
            returns={200: Factors},
        ),
        Route(
            method="POST",
            path="/v1/auth/mfa/totp/setup",
            handler=set_up,
            summary="A secret for an authenticator app; it counts once confirmed",
            tag="factors",
            fresh=True,
            returns={200: TotpSetup},
            errors=(ErrorCode.CONFLICT,),
            replayable=False,
        ),
        Route(
            method="POST",
            path="/v1/auth/mfa/totp/confirm",
            handler=confirm,
            summary="Switch TOTP on with the first code",
            tag="factors",
            body=TotpCodeBody,
            returns={200: RecoveryCodes},
            errors=(ErrorCode.MFA_INVALID, ErrorCode.NOT_FOUND, ErrorCode.CONFLICT),
            replayable=False,
        ),
        Route(
            method="DELETE",
            path="/v1/auth/mfa/totp",
            handler=switch_off,
            summary="Switch TOTP off, with a code of it or a recovery code",
            tag="factors",
            fresh=True,
            body=CodeBody,
            returns={200: Done},
            errors=(ErrorCode.MFA_INVALID, ErrorCode.NOT_FOUND, ErrorCode.ACCOUNT_LOCKED),
        ),
        Route(
            method="POST",
            path="/v1/auth/mfa/recovery-codes",
            handler=renew,
            summary="New recovery codes; the old ones stop working",
            tag="factors",
            fresh=True,
            returns={200: RecoveryCodes},
            errors=(ErrorCode.NOT_FOUND,),
            replayable=False,
        ),
        Route(
            method="POST",
            path="/v1/auth/mfa/verify",
            handler=verify,
            critical=True,
            summary="Finish a login with a code",
            tag="factors",
            access=Access.PUBLIC,
            row="mfa_verify",
            body=VerifyBody,
            returns={200: AuthResult},
            errors=(
                ErrorCode.MFA_INVALID,
                ErrorCode.INVALID_TOKEN,
                ErrorCode.ACCOUNT_LOCKED,
                ErrorCode.ACCOUNT_BANNED,
                ErrorCode.EMAIL_NOT_VERIFIED,
            ),
        ),
    ]
