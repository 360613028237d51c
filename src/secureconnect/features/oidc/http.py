"""Routes of single sign-on (docs/reference/http.md, sso)."""

from typing import Annotated

from msgspec import Meta, Struct

from secureconnect.edge.http.routing import Access, Call, Redirect, Reply, Route
from secureconnect.edge.validation import Opaque
from secureconnect.features.auth.api import AuthResult, MfaRequired, login_result
from secureconnect.features.oidc.service import Exchange, Way
from secureconnect.features.users.api import Users
from secureconnect.kit.errors import ErrorCode

__all__ = ["routes"]

_Verifier = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._~-]{43,128}$", extra={"clean": "opaque"})]
_Challenge = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}$", extra={"clean": "opaque"})]


class StartQuery(Struct):
    """`code_challenge` (RFC 7636, S256) binds the exchange to who knows its verifier."""

    redirect_uri: Annotated[Opaque, Meta(min_length=1, max_length=2048)]
    code_challenge: _Challenge | None = None


class CallbackQuery(Struct):
    """What the provider says (RFC 6749, §4.1.2, and RFC 9207): `code` or `error`."""

    state: Annotated[Opaque, Meta(min_length=1, max_length=256)]
    code: Annotated[Opaque, Meta(min_length=1, max_length=4096)] | None = None
    error: Annotated[Opaque, Meta(min_length=1, max_length=256)] | None = None
    iss: Annotated[Opaque, Meta(min_length=1, max_length=2048)] | None = None


class ExchangeBody(Struct):
    code: Annotated[Opaque, Meta(min_length=1, max_length=256)]
    device_name: Annotated[str, Meta(min_length=1, max_length=100, extra={"clean": "name"})] | None = None
    code_verifier: _Verifier | None = None


class Provider(Struct, frozen=True):
    """Where people may log in instead of here; `id` stands in paths."""

    id: str
    name: str


class Providers(Struct, frozen=True):
    """Empty without single sign-on."""

    providers: list[Provider]


def routes(way: Way, exchange: Exchange, users: Users) -> list[Route]:
    """Everything below `/v1/auth/oidc`."""

    async def providers(_: Call[None, None]) -> Reply:
        return Reply(Providers([Provider(provider.id, provider.name) for provider in way.providers()]))

    async def start(call: Call[None, StartQuery]) -> Redirect:
        query = call.query
        return Redirect(
            await way.start(
                call.path["provider"],
                call.context,
                redirect_uri=query.redirect_uri,
                challenge=query.code_challenge,
            )
        )

    async def callback(call: Call[None, CallbackQuery]) -> Redirect:
        query = call.query
        return Redirect(
            await way.come_back(
                call.path["provider"],
                call.context,
                state=query.state,
                code=query.code,
                error=query.error,
                issuer=query.iss,
            )
        )

    async def redeem(call: Call[ExchangeBody, None]) -> Reply:
        body = call.body
        outcome = await exchange.exchange(
            call.context, code=body.code, verifier=body.code_verifier, device_name=body.device_name
        )
        return Reply(await login_result(users, outcome))

    return [
        Route(
            method="GET",
            path="/v1/auth/oidc/providers",
            handler=providers,
            summary="Where people may log in instead of here",
            tag="sso",
            access=Access.PUBLIC,
            row="login",
            returns={200: Providers},
        ),
        Route(
            method="GET",
            path="/v1/auth/oidc/{provider}/start",
            handler=start,
            summary="Go to a provider to log in; for browsers",
            tag="sso",
            access=Access.PUBLIC,
            row="login",
            query=StartQuery,
            returns={302: Redirect},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="GET",
            path="/v1/auth/oidc/{provider}/callback",
            handler=callback,
            summary="Where providers send browsers back to, which go on to `redirect_uri`",
            tag="sso",
            access=Access.PUBLIC,
            row="login",
            query=CallbackQuery,
            returns={302: Redirect},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="POST",
            path="/v1/auth/oidc/exchange",
            handler=redeem,
            summary="Start a session with the code that `redirect_uri` was given",
            tag="sso",
            access=Access.PUBLIC,
            row="login",
            body=ExchangeBody,
            returns={200: AuthResult | MfaRequired},
            errors=(
                ErrorCode.INVALID_TOKEN,
                ErrorCode.INVALID_CREDENTIALS,
                ErrorCode.CONFLICT,
                ErrorCode.ACCOUNT_LOCKED,
                ErrorCode.ACCOUNT_BANNED,
                ErrorCode.EMAIL_NOT_VERIFIED,
                ErrorCode.FEATURE_DISABLED,
            ),
        ),
    ]
