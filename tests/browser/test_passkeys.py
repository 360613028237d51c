"""Scenario F5 with Chromium and its virtual authenticator, over the DevTools protocol."""

from typing import Any

import pytest
from playwright.async_api import CDPSession, Error, Page

from tests.scenarios.factors import log_in, passkey_options
from tests.scenarios.server import Server
from tests.scenarios.steps import Answer, Person, register, request, stranger

pytestmark = pytest.mark.browser

_CREATE = """async options => (await navigator.credentials.create(
    {publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options)})).toJSON()"""
_GET = """async options => (await navigator.credentials.get(
    {publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options)})).toJSON()"""


class Device:
    """The virtual authenticator of a page: built in, with resident keys and user verification."""

    def __init__(self, page: Page, protocol: CDPSession, authenticator_id: str) -> None:
        self.page = page
        self._protocol = protocol
        self._id = {"authenticatorId": authenticator_id}

    @classmethod
    async def plug_in(cls, page: Page) -> "Device":
        protocol = await page.context.new_cdp_session(page)
        await protocol.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        added = await protocol.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return cls(page, protocol, added["authenticatorId"])

    async def create(self, options: Any) -> Any:
        return await self.page.evaluate(_CREATE, options)

    async def get(self, options: Any) -> Any:
        return await self.page.evaluate(_GET, options)

    async def credentials(self) -> list[Any]:
        """What it holds, private keys included."""
        held = await self._protocol.send("WebAuthn.getCredentials", self._id)
        return list(held["credentials"])

    async def recognises_user(self, yes: bool) -> None:
        await self._protocol.send("WebAuthn.setUserVerified", {**self._id, "isUserVerified": yes})

    async def set_counter(self, count: int) -> None:
        """As a copy of the authenticator made at that time would have it."""
        (credential,) = await self.credentials()
        named = {**self._id, "credentialId": credential["credentialId"]}
        await self._protocol.send("WebAuthn.removeCredential", named)
        copy = {**credential, "signCount": count}
        await self._protocol.send("WebAuthn.addCredential", {**self._id, "credential": copy})


async def finish(person: Person, device: Device, **fields: str) -> tuple[Answer, dict[str, Any]]:
    """Log in with the device; the answer, and what was sent."""
    begun = await passkey_options(person.url)
    credential = await device.get(begun["public_key"])
    body = {"challenge_id": begun["challenge_id"], "credential": credential, **fields}
    return await request(person.url, "POST", "/v1/auth/passkeys/login/finish", body), body


async def test_f5_a_real_browser(server: Server, page: Page) -> None:
    """register, login, replay, a counter set back, a user who is not recognised, second factor, step-up."""
    a = await register(stranger(f"http://localhost:{server.port}", "a"))
    device = await Device.plug_in(page)
    assert await page.evaluate("window.isSecureContext")

    begun = (await a.post("/v1/auth/passkeys/register/begin")).ok()
    body = {
        "challenge_id": begun["challenge_id"],
        "credential": await device.create(begun["public_key"]),
        "name": "Chromium",
    }
    (await a.post("/v1/auth/passkeys/register/finish", body)).ok(201)
    (held,) = await device.credentials()
    assert (held["rpId"], held["isResidentCredential"]) == ("localhost", True)
    again = (await a.post("/v1/auth/passkeys/register/begin")).ok()
    with pytest.raises(Error, match="InvalidStateError"):
        await device.create(again["public_key"])  # registered already: excludeCredentials

    answer, sent = await finish(a, device, device_name="browser")
    entered = answer.ok()
    assert entered["user"]["user_id"] == a.user_id
    (await request(a.url, "GET", "/v1/users/me", token=entered["access_token"])).ok()
    replayed = await request(a.url, "POST", "/v1/auth/passkeys/login/finish", sent)
    replayed.is_error(401, "INVALID_CREDENTIALS")

    (held,) = await device.credentials()
    counted = held["signCount"]
    assert counted > 0
    await device.set_counter(counted - 1)  # the next answer repeats a count
    (await finish(a, device))[0].is_error(401, "INVALID_CREDENTIALS")
    await device.set_counter(counted)
    (await finish(a, device))[0].ok()

    await device.recognises_user(False)
    with pytest.raises(Error, match="NotAllowedError"):
        await finish(a, device)
    await device.recognises_user(True)

    step = await log_in(a)
    assert step["methods"] == ["passkey"]
    (await finish(a, device, mfa_token=step["mfa_token"]))[0].ok()
    options = await passkey_options(a.url)
    proof = {"credential": await device.get(options["public_key"])}
    (await a.post("/v1/auth/reauthenticate", proof)).ok()
    (await a.post("/v1/auth/reauthenticate", proof)).is_error(401, "INVALID_CREDENTIALS")

    await page.goto(f"http://127.0.0.1:{server.port}/docs")
    options = await passkey_options(a.url)
    with pytest.raises(Error, match="SecurityError"):
        await device.get(options["public_key"])  # the domain is another one
