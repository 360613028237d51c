"""Second factors and passkeys by the SDK against a real server."""

import pytest

from secureconnect.client import (
    Client,
    Conflict,
    InvalidCredentials,
    InvalidRequest,
    NotFound,
    SecondFactorRequired,
    Unauthorized,
    WrongCode,
)
from tests.authenticator import Authenticator
from tests.scenarios.factors import App
from tests.scenarios.sdk import person
from tests.scenarios.server import Server
from tests.scenarios.steps import PASSWORD


async def test_every_call_of_second_factors(server: Server) -> None:
    async with person(server.url, "a") as ann, Client(server.url) as phone:
        name = (await ann.users.me()).username
        with pytest.raises(NotFound):
            await ann.factors.confirm_totp("123456")
        setup = await ann.factors.set_up_totp()
        app = App(setup.secret)
        with pytest.raises(WrongCode):
            await ann.factors.confirm_totp(app.wrong)
        codes = await ann.factors.confirm_totp(await app.code())
        with pytest.raises(Conflict):
            await ann.factors.set_up_totp()
        assert (await ann.factors.get()).recovery_codes_left == len(codes) == 10
        assert (await ann.users.me()).mfa_enabled

        with pytest.raises(SecondFactorRequired) as step:
            await phone.auth.login(username=name, password=PASSWORD, device_name="phone")
        assert (step.value.methods, phone.tokens) == (("totp", "recovery_code"), None)
        with pytest.raises(WrongCode):
            await phone.auth.verify(step.value.mfa_token, app.wrong)
        entered = await phone.auth.verify(step.value.mfa_token, await app.code())
        assert (phone.tokens, entered.user.username) == (entered, name)
        with pytest.raises(Unauthorized):
            await phone.auth.verify(step.value.mfa_token, codes[0], method="recovery_code")

        await ann.auth.reauthenticate(code=await app.code())
        new = await ann.factors.renew_recovery_codes()
        assert not set(new) & set(codes)
        await ann.factors.disable_totp(new[0])
        await phone.auth.login(username=name, password=PASSWORD)


async def test_every_call_of_passkeys(server: Server) -> None:
    device = Authenticator(f"http://localhost:{server.port}")
    async with person(server.url, "a") as ann, Client(server.url) as phone:
        name = (await ann.users.me()).username
        options = await ann.passkeys.begin()
        credential = device.create(options.public_key)
        made = await ann.passkeys.register(options.challenge_id, credential, "laptop")
        with pytest.raises(NotFound):
            await ann.passkeys.register(options.challenge_id, credential, "laptop")
        options = await ann.passkeys.begin()
        with pytest.raises(InvalidRequest):
            await ann.passkeys.register(options.challenge_id, credential, "laptop")

        options = await phone.auth.passkey_options()
        answer = device.get(options.public_key)
        entered = await phone.auth.login_with_passkey(options.challenge_id, answer, device_name="phone")
        assert (phone.tokens, entered.user.username) == (entered, name)
        with pytest.raises(InvalidCredentials):
            await phone.auth.login_with_passkey(options.challenge_id, answer)

        with pytest.raises(SecondFactorRequired) as step:
            await phone.auth.login(username=name, password=PASSWORD)
        options = await phone.auth.passkey_options()
        answer = device.get(options.public_key)
        token = step.value.mfa_token
        await phone.auth.login_with_passkey(options.challenge_id, answer, mfa_token=token)

        options = await ann.auth.passkey_options()
        await ann.auth.reauthenticate(credential=device.get(options.public_key))
        assert (await ann.passkeys.rename(made.passkey_id, "phone")).name == "phone"
        (kept,) = await ann.passkeys.list()
        assert (kept.name, kept.last_used_at is not None) == ("phone", True)
        await ann.passkeys.remove(made.passkey_id)
        assert await ann.passkeys.list() == []
