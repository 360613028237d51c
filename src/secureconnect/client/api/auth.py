"""Registration, login and sessions (HTTP reference §4)."""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import msgspec

from secureconnect.client.api.request import UNSET, Nothing, given, path
from secureconnect.client.credentials import Credentials
from secureconnect.client.errors import EmailVerificationRequired, SecondFactorRequired
from secureconnect.client.http import Http, Json, decode, part
from secureconnect.client.models.base import Moment, Page
from secureconnect.client.models.factors import OidcProvider, OidcStart, PasskeyOptions
from secureconnect.client.models.people import AuthResult, Profile, Session, Tokens, User

__all__ = ["AuthApi"]


class _Answer(msgspec.Struct):
    """What an answer without tokens says instead."""

    user: User | None = None
    email_verification_required: bool = False
    mfa_required: bool = False
    mfa_token: str = ""
    methods: list[str] = []


class AuthApi:
    """`client.auth`. Successful logins put their tokens into the client."""

    def __init__(self, http: Http, credentials: Credentials) -> None:
        self._http = http
        self._credentials = credentials

    async def register(
        self, *, email: str, username: str, password: str, display_name: str, device_name: str | None = None
    ) -> AuthResult:
        """Create an account and log in.

        Raises:
            Conflict: the e-mail or the username is taken; `details` names it.
            EmailVerificationRequired: the account exists now, but may not log in yet.
        """
        body = given(
            email=email,
            username=username,
            password=password,
            display_name=display_name,
            device_name=device_name or UNSET,
        )
        return await self._enter("/v1/auth/register", body)

    async def login(
        self,
        *,
        username: str | None = None,
        email: str | None = None,
        password: str,
        device_name: str | None = None,
    ) -> AuthResult:
        """Log in with exactly one of username and email.

        Raises:
            InvalidCredentials: unknown user or wrong password.
            AccountLocked: too many failures; see `retry_after`.
            SecondFactorRequired: the password was right, a second step is needed.
        """
        body = given(
            username=username or UNSET,
            email=email or UNSET,
            password=password,
            device_name=device_name or UNSET,
        )
        return await self._enter("/v1/auth/login", body)

    async def verify(self, mfa_token: str, code: str, *, method: str = "totp") -> AuthResult:
        """Finish a login (`SecondFactorRequired`) with a code.

        Args:
            method: `totp`, or `recovery_code`.

        Raises:
            WrongCode: another try is possible.
            Unauthorized: INVALID_TOKEN; log in again.
        """
        body = {"mfa_token": mfa_token, "method": method, "code": code}
        return await self._enter("/v1/auth/mfa/verify", body)

    async def passkey_options(self) -> PasskeyOptions:
        """Options for `navigator.credentials.get`, to log in or to reauthenticate."""
        return await self._http.call(
            "POST", "/v1/auth/passkeys/login/begin", PasskeyOptions, json={}, login=False
        )

    async def login_with_passkey(
        self,
        challenge_id: str,
        credential: Mapping[str, Any],
        *,
        mfa_token: str | None = None,
        device_name: str | None = None,
    ) -> AuthResult:
        """Log in with `PublicKeyCredential.toJSON()`; with `mfa_token` as second step.

        Raises:
            InvalidCredentials: the passkey, its answer or the challenge is no good.
        """
        body = given(
            challenge_id=challenge_id,
            credential=dict(credential),
            mfa_token=mfa_token or UNSET,
            device_name=device_name or UNSET,
        )
        return await self._enter("/v1/auth/passkeys/login/finish", body)

    async def oidc_providers(self) -> list[OidcProvider]:
        """Where people may log in instead of here; empty without single sign-on."""
        data = await self._http.call("GET", "/v1/auth/oidc/providers", Json, login=False)
        return part(data, "providers", list[OidcProvider])

    def oidc_start(self, provider_id: str, redirect_uri: str) -> OidcStart:
        """Where to send a browser that shall log in at a provider. Nothing is asked of the server.

        The browser comes to `redirect_uri`, one of those that the server knows, with `code` or `error`
        (`access_denied`, `temporarily_unavailable`, `server_error`).
        """
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "redirect_uri": redirect_uri,
            "code_challenge": urlsafe_b64encode(digest).rstrip(b"=").decode(),
        }
        route = path("/v1/auth/oidc/{}/start", provider_id)
        return OidcStart(url=self._http.address(route, query), code_verifier=verifier)

    async def login_with_oidc(
        self, code: str, code_verifier: str | None = None, *, device_name: str | None = None
    ) -> AuthResult:
        """Log in with the `code` that came to `redirect_uri`, once and within 60 s.

        Args:
            code_verifier: that of the `oidc_start` which it began with.

        Raises:
            Unauthorized: `INVALID_TOKEN`: unknown, used, too old, or begun by somebody else.
            Conflict: the address belongs to an account that did not verify it.
            SecondFactorRequired: a second step is needed.
        """
        body = given(code=code, code_verifier=code_verifier or UNSET, device_name=device_name or UNSET)
        return await self._enter("/v1/auth/oidc/exchange", body)

    async def refresh(self) -> Tokens:
        """Renew the tokens now. The client does it by itself when the access token expires."""
        await self._credentials.renew(self._credentials.access_token)
        tokens = self._credentials.tokens
        assert tokens is not None
        return tokens

    async def logout(self, session_id: str | None = None) -> None:
        """End a session, by default this one; its tokens are forgotten."""
        tokens = self._credentials.tokens
        body = given(session_id=session_id or UNSET)
        await self._http.call("POST", "/v1/auth/logout", Nothing, json=body)
        if session_id is None or (tokens is not None and tokens.session_id == session_id):
            self._credentials.keep(None)

    async def profile(self) -> Profile:
        """Who the access token speaks for."""
        return await self._http.call("GET", "/v1/auth/profile", Profile)

    async def sessions(self, *, cursor: str | None = None, limit: int | None = None) -> Page[Session]:
        """The caller's logins."""
        return await self._http.page("/v1/auth/sessions", "sessions", Session, cursor=cursor, limit=limit)

    async def revoke(self, session_id: str) -> None:
        """End one of the caller's sessions."""
        await self._http.call("DELETE", path("/v1/auth/sessions/{}", session_id), Nothing)

    async def revoke_others(self) -> int:
        """End all sessions but this one; returns how many there were."""
        return part(await self._http.call("DELETE", "/v1/auth/sessions", Json), "revoked", int)

    async def reauthenticate(
        self,
        password: str | None = None,
        *,
        code: str | None = None,
        credential: Mapping[str, Any] | None = None,
    ) -> Moment:
        """Step up for actions that need a fresh authentication (`ReauthRequired`), by exactly one of the
        password, a code of the app, and the answer of a passkey to `passkey_options`."""
        body = given(
            password=UNSET if password is None else password,
            code=UNSET if code is None else code,
            credential=UNSET if credential is None else dict(credential),
        )
        data = await self._http.call("POST", "/v1/auth/reauthenticate", Json, json=body)
        return part(data, "authenticated_at", Moment)

    async def request_password_reset(self, email: str) -> None:
        """Let a token that sets a new password be mailed, if an account has this address. Nothing tells."""
        body = {"email": email}
        await self._http.call("POST", "/v1/auth/password-reset/request", Nothing, json=body, login=False)

    async def reset_password(self, token: str, new_password: str) -> None:
        """Set the password with the mailed token; all sessions of the account end.

        Raises:
            Unauthorized: `INVALID_TOKEN`: unknown, used or too old.
            InvalidRequest: the password is too weak; the token stays good.
        """
        body = {"token": token, "new_password": new_password}
        route = "/v1/auth/password-reset/confirm"
        await self._http.call("POST", route, Nothing, json=body, login=False, once=True)

    async def verify_email(self, token: str) -> None:
        """Prove the address of a new account with the mailed token.

        Raises:
            Unauthorized: `INVALID_TOKEN`: unknown, used or too old.
        """
        body = {"token": token}
        await self._http.call("POST", "/v1/auth/verify-email", Nothing, json=body, login=False, once=True)

    async def resend_verification(self, email: str) -> None:
        """Let that token be mailed again, if an account needs it. Nothing tells."""
        body = {"email": email}
        await self._http.call("POST", "/v1/auth/verify-email/resend", Nothing, json=body, login=False)

    async def _enter(self, route: str, body: dict[str, Any]) -> AuthResult:
        data = await self._http.call("POST", route, msgspec.Raw, json=body, login=False)
        answer = decode(data, _Answer)
        if answer.mfa_required:
            raise SecondFactorRequired(answer.mfa_token, answer.methods)
        if answer.email_verification_required and answer.user is not None:
            raise EmailVerificationRequired(answer.user)
        result = decode(data, AuthResult)
        self._credentials.keep(result)
        return result
