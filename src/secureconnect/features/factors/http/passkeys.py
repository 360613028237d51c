"""Routes of passkeys. Credentials and options are the JSON forms of WebAuthn level 3, §5.1."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from secureconnect.edge.http.routing import Access, Call, Done, Reply, Route, done
from secureconnect.edge.validation import Opaque, Uuid
from secureconnect.features.auth.api import AssertionCredential, AuthResult, auth_result
from secureconnect.features.factors.service import Assertions, Passkeys
from secureconnect.features.factors.store import Passkey as PasskeyRow
from secureconnect.features.users.api import Users
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import Id, Time

__all__ = ["passkey_routes"]

_Name = Annotated[str, Meta(min_length=1, max_length=64, extra={"clean": "name"})]
_DeviceName = Annotated[str, Meta(min_length=1, max_length=100, extra={"clean": "name"})]
_Encoded = Annotated[Opaque, Meta(min_length=1, max_length=131_072)]


class Attestation(Struct):
    """What an authenticator says about its new key."""

    client_data_json: _Encoded = msgspec.field(name="clientDataJSON")
    attestation_object: _Encoded = msgspec.field(name="attestationObject")


class RegistrationCredential(Struct):
    """`RegistrationResponseJSON`; the rest of it is not read."""

    id: _Encoded
    raw_id: _Encoded = msgspec.field(name="rawId")
    type: Literal["public-key"]
    response: Attestation


class FinishRegistrationBody(Struct):
    challenge_id: Uuid
    credential: RegistrationCredential
    name: _Name


class FinishLoginBody(Struct):
    challenge_id: Uuid
    credential: AssertionCredential
    mfa_token: Annotated[Opaque, Meta(min_length=1, max_length=256)] | None = None
    device_name: _DeviceName | None = None


class RenameBody(Struct):
    name: _Name


class PublicKeyOptions(Struct, frozen=True):
    """A challenge; `public_key` is for `navigator.credentials.create` or `.get`."""

    challenge_id: Id
    public_key: dict[str, Any]


class NewPasskey(Struct, frozen=True):
    """A passkey that was just registered."""

    passkey_id: Id
    name: str
    created_at: Time


class Passkey(Struct, frozen=True):
    """One of the account's passkeys."""

    passkey_id: Id
    name: str
    created_at: Time
    last_used_at: Time | None


class OwnPasskeys(Struct, frozen=True):
    """The account's passkeys, oldest first."""

    passkeys: list[Passkey]


class NamedPasskey(Struct, frozen=True):
    """The passkey with its new name."""

    passkey: Passkey


def passkey_routes(passkeys: Passkeys, assertions: Assertions, users: Users) -> list[Route]:
    """Everything below `/v1/auth/passkeys`."""

    async def begin_registration(call: Call[None, None]) -> Reply:
        return Reply(PublicKeyOptions(*await passkeys.begin(call.caller)))

    async def finish_registration(call: Call[FinishRegistrationBody, None]) -> Reply:
        row = await passkeys.finish(
            call.caller,
            call.context,
            challenge_id=call.body.challenge_id,
            credential=msgspec.to_builtins(call.body.credential),
            name=call.body.name,
        )
        return Reply(NewPasskey(row.passkey_id, row.name, rfc3339(row.created_at)), 201)

    async def list_own(call: Call[None, None]) -> Reply:
        return Reply(OwnPasskeys([_passkey(row) for row in await passkeys.list(call.caller)]))

    async def rename(call: Call[RenameBody, None]) -> Reply:
        row = await passkeys.rename(call.caller, call.path["passkey_id"], call.body.name)
        return Reply(NamedPasskey(_passkey(row)))

    async def remove(call: Call[None, None]) -> Reply:
        await passkeys.remove(call.caller, call.context, call.path["passkey_id"])
        return done("The passkey works no more.")

    async def begin_login(_: Call[None, None]) -> Reply:
        return Reply(PublicKeyOptions(*await assertions.begin()))

    async def finish_login(call: Call[FinishLoginBody, None]) -> Reply:
        entered = await assertions.log_in(
            call.context,
            challenge_id=call.body.challenge_id,
            credential=msgspec.to_builtins(call.body.credential),
            mfa_token=call.body.mfa_token,
            device_name=call.body.device_name,
        )
        return Reply(await auth_result(users, entered))

    return [
        Route(
            method="POST",
            path="/v1/auth/passkeys/register/begin",
            handler=begin_registration,
            summary="Options to make a passkey with",
            tag="passkeys",
            fresh=True,
            returns={200: PublicKeyOptions},
            errors=(ErrorCode.LIMIT_REACHED,),
            replayable=False,
        ),
        Route(
            method="POST",
            path="/v1/auth/passkeys/register/finish",
            handler=finish_registration,
            summary="Keep the passkey that was made",
            tag="passkeys",
            body=FinishRegistrationBody,
            returns={201: NewPasskey},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.LIMIT_REACHED),
            replayable=False,
        ),
        Route(
            method="GET",
            path="/v1/auth/passkeys",
            handler=list_own,
            summary="Own passkeys",
            tag="passkeys",
            returns={200: OwnPasskeys},
        ),
        Route(
            method="PATCH",
            path="/v1/auth/passkeys/{passkey_id}",
            handler=rename,
            summary="Name a passkey",
            tag="passkeys",
            body=RenameBody,
            returns={200: NamedPasskey},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="DELETE",
            path="/v1/auth/passkeys/{passkey_id}",
            handler=remove,
            summary="Remove a passkey",
            tag="passkeys",
            fresh=True,
            returns={200: Done},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="POST",
            path="/v1/auth/passkeys/login/begin",
            handler=begin_login,
            critical=True,
            summary="Options to log in, or to authenticate again, with a passkey",
            tag="passkeys",
            access=Access.PUBLIC,
            row="login",
            returns={200: PublicKeyOptions},
        ),
        Route(
            method="POST",
            path="/v1/auth/passkeys/login/finish",
            handler=finish_login,
            critical=True,
            summary="Start a session with a passkey, alone or as second step",
            tag="passkeys",
            access=Access.PUBLIC,
            row="login",
            body=FinishLoginBody,
            returns={200: AuthResult},
            errors=(
                ErrorCode.INVALID_CREDENTIALS,
                ErrorCode.INVALID_TOKEN,
                ErrorCode.ACCOUNT_LOCKED,
                ErrorCode.ACCOUNT_BANNED,
                ErrorCode.EMAIL_NOT_VERIFIED,
            ),
        ),
    ]


def _passkey(row: PasskeyRow) -> Passkey:
    used = row.last_used_at
    return Passkey(row.passkey_id, row.name, rfc3339(row.created_at), rfc3339(used) if used else None)
