"""Single sign-on by the SDK against a real server."""

import httpx
import pytest

from secureconnect.client import Client, Conflict, SecondFactorRequired, Unauthorized
from tests.openid import Provider
from tests.scenarios.factors import App
from tests.scenarios.sdk import person
from tests.scenarios.server import Server
from tests.scenarios.sso import APP, query_of


async def browse(url: str) -> str:
    """What a browser does until it comes to the application; the code that it brings."""
    async with httpx.AsyncClient(verify=False) as browser:
        for _ in range(3):
            url = (await browser.get(url)).headers["location"]
    assert url.startswith(APP)
    return query_of(url)["code"]


async def test_every_call_of_single_sign_on(server: Server, provider: Provider) -> None:
    url = f"http://localhost:{server.port}"
    async with Client(url) as phone, Client(url) as laptop, person(url, "a") as ann:
        (offered,) = await phone.auth.oidc_providers()
        assert (offered.id, offered.name) == ("stub", "Stub")
        provider.claims = {"sub": "sdk", "preferred_username": "sdk-user"}
        start = phone.auth.oidc_start(offered.id, APP)
        code = await browse(start.url)
        with pytest.raises(Unauthorized):
            await laptop.auth.login_with_oidc(code)
        start = phone.auth.oidc_start(offered.id, APP)
        code = await browse(start.url)
        entered = await phone.auth.login_with_oidc(code, start.code_verifier, device_name="phone")
        assert (phone.tokens, entered.user.username) == (entered, "sdk-user")
        assert (await phone.auth.sessions()).items[0].device_name == "phone"

        app = App((await phone.factors.set_up_totp()).secret)
        await phone.factors.confirm_totp(await app.code())
        start = laptop.auth.oidc_start(offered.id, APP)
        with pytest.raises(SecondFactorRequired) as step:
            await laptop.auth.login_with_oidc(await browse(start.url), start.code_verifier)
        again = await laptop.auth.verify(step.value.mfa_token, await app.code())
        assert again.user.user_id == entered.user.user_id

        email = (await ann.users.me()).email
        provider.claims = {"sub": "sdk-2", "email": email, "email_verified": True}
        start = laptop.auth.oidc_start(offered.id, APP)
        with pytest.raises(Conflict):
            await laptop.auth.login_with_oidc(await browse(start.url), start.code_verifier)
