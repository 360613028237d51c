"""Second factor and passkeys (HTTP reference §5). Logging in with them is `client.auth`'s.

`credential` is what WebAuthn gives as `PublicKeyCredential.toJSON()`.
"""

from collections.abc import Mapping
from typing import Any

from secureconnect.client.api.request import Nothing, path
from secureconnect.client.http import Http, Json, part
from secureconnect.client.models.factors import Factors, NewPasskey, Passkey, PasskeyOptions, TotpSetup

__all__ = ["FactorsApi", "PasskeysApi"]


class FactorsApi:
    """`client.factors`: codes of an authenticator app, and recovery codes."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def get(self) -> Factors:
        """What the account has besides its password."""
        return await self._http.call("GET", "/v1/auth/mfa", Factors)

    async def set_up_totp(self) -> TotpSetup:
        """A new secret for an app; nothing changes before `confirm_totp`. Needs a fresh authentication.

        Raises:
            Conflict: TOTP is on.
        """
        return await self._http.call("POST", "/v1/auth/mfa/totp/setup", TotpSetup)

    async def confirm_totp(self, code: str) -> list[str]:
        """Switch TOTP on with the first code of the app; returns the recovery codes, shown only this once.

        Raises:
            WrongCode: the code does not belong to the new secret.
            NotFound: nothing was set up in this session.
        """
        data = await self._http.call("POST", "/v1/auth/mfa/totp/confirm", Json, json={"code": code})
        return part(data, "recovery_codes", list[str])

    async def disable_totp(self, code: str) -> None:
        """Switch TOTP off with a code of the app or a recovery code. Needs a fresh authentication."""
        await self._http.call("DELETE", "/v1/auth/mfa/totp", Nothing, json={"code": code})

    async def renew_recovery_codes(self) -> list[str]:
        """New recovery codes; the old ones stop working. Needs a fresh authentication."""
        return part(
            await self._http.call("POST", "/v1/auth/mfa/recovery-codes", Json), "recovery_codes", list[str]
        )


class PasskeysApi:
    """`client.passkeys`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def list(self) -> list[Passkey]:
        """The caller's passkeys, oldest first."""
        return part(await self._http.call("GET", "/v1/auth/passkeys", Json), "passkeys", list[Passkey])

    async def begin(self) -> PasskeyOptions:
        """Options for `navigator.credentials.create`. Needs a fresh authentication."""
        return await self._http.call("POST", "/v1/auth/passkeys/register/begin", PasskeyOptions)

    async def register(self, challenge_id: str, credential: Mapping[str, Any], name: str) -> NewPasskey:
        """Keep the credential that answers the challenge.

        Raises:
            InvalidRequest: it is not what was asked for.
            NotFound: the challenge is unknown, used or over 5 minutes old.
        """
        body = {"challenge_id": challenge_id, "credential": dict(credential), "name": name}
        return await self._http.call("POST", "/v1/auth/passkeys/register/finish", NewPasskey, json=body)

    async def rename(self, passkey_id: str, name: str) -> Passkey:
        """Name a passkey."""
        route = path("/v1/auth/passkeys/{}", passkey_id)
        return part(await self._http.call("PATCH", route, Json, json={"name": name}), "passkey", Passkey)

    async def remove(self, passkey_id: str) -> None:
        """Remove a passkey. Needs a fresh authentication."""
        await self._http.call("DELETE", path("/v1/auth/passkeys/{}", passkey_id), Nothing)
