"""The calls of the SDK that begin or end with a mail."""

import pytest

from secureconnect.client import Client, Conflict, EmailVerificationRequired, InvalidCredentials, Unauthorized
from tests.mailbox import token_of
from tests.scenarios.conftest import Serve
from tests.scenarios.mail import mailed
from tests.scenarios.sdk import person
from tests.scenarios.server import Server
from tests.scenarios.steps import PASSWORD, stranger

NEW = "New-Violet-77-Lamp"


async def test_passwords_and_addresses_by_mail(server: Server) -> None:
    async with person(server.url, "a") as ann, person(server.url, "b") as bob, Client(server.url) as phone:
        before = await ann.users.me()
        await phone.auth.request_password_reset(before.email)
        token = token_of(await mailed(server, before.email, "Set a new password"))
        await phone.auth.reset_password(token, NEW)
        with pytest.raises(Unauthorized) as caught:
            await phone.auth.reset_password(token, PASSWORD)
        assert caught.value.code == "INVALID_TOKEN"
        with pytest.raises(InvalidCredentials):
            await phone.auth.login(username=before.username, password=PASSWORD)
        await phone.auth.login(username=before.username, password=NEW)

        await phone.auth.resend_verification(before.email)
        token = token_of(await mailed(server, before.email, "Confirm your e-mail address"))
        await phone.auth.verify_email(token)
        assert (await phone.users.me()).email_verified

        with pytest.raises(Conflict):
            await phone.users.change_email((await bob.users.me()).email, NEW)
        with pytest.raises(InvalidCredentials):
            await phone.users.change_email(stranger(server.url, "n").email, PASSWORD)
        new_email = stranger(server.url, "n").email
        await phone.users.change_email(new_email, NEW)
        token = token_of(await mailed(server, new_email, "Confirm your new e-mail address"))
        with pytest.raises(Unauthorized):
            await bob.users.confirm_email(token)
        assert (await phone.users.confirm_email(token)).email == new_email


async def test_registration_that_waits_for_a_proof(serve: Serve) -> None:
    async with serve(auth={"email_verification": "required"}) as server, Client(server.url) as client:
        a = stranger(server.url, "a")
        with pytest.raises(EmailVerificationRequired) as caught:
            await client.auth.register(
                email=a.email, username=a.username, password=PASSWORD, display_name="A"
            )
        assert caught.value.user.email == a.email
        await client.auth.verify_email(token_of(await mailed(server, a.email, "Confirm your e-mail address")))
        assert (await client.auth.login(email=a.email, password=PASSWORD)).user.email_verified
