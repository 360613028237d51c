"""Mail flows: scenarios A17 to A19, A21, A22, N11, and the mail side of A7, A20 and Z4."""

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mailbox import MailServer, link_of, token_of
from tests.scenarios.accounts import body_of, login, me, post, refresh
from tests.scenarios.audit import audited
from tests.scenarios.commands import make_admin
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.mail import mailed, mails
from tests.scenarios.metrics import metric
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server
from tests.scenarios.steps import Answer, Person, request, stranger

NEW = "New-Violet-77-Lamp"
RESET, VERIFY, CHANGE = "Set a new password", "Confirm your e-mail address", "Confirm your new e-mail address"


async def ask_reset(url: str, email: str, **options: dict[str, str]) -> Answer:
    return await post(url, "/v1/auth/password-reset/request", {"email": email}, **options)


async def confirm_reset(url: str, token: str, password: str = NEW) -> Answer:
    body = {"token": token, "new_password": password}
    return await post(url, "/v1/auth/password-reset/confirm", body)


async def verify(url: str, token: str) -> Answer:
    return await post(url, "/v1/auth/verify-email", {"token": token})


async def test_a17_reset_says_nothing_about_who_has_an_account(server: Server, reg: Register) -> None:
    """The same answer for everybody; one mail, with a link, to who has an account."""
    (a,) = await reg("a")
    nobody = stranger(server.url, "x")
    answers = [await ask_reset(server.url, email) for email in (nobody.email, a.email.upper())]
    assert answers[0].ok() == answers[1].ok()
    mail = await mailed(server, a.email, RESET)
    assert link_of(mail).startswith(f"http://localhost:{server.port}/")
    assert len(token_of(mail)) >= 43
    html = mail.get_body(("html",))
    assert html is not None
    assert token_of(mail) in html.get_content()
    assert mails(server, nobody.email) == []
    (await ask_reset(server.url, "no address")).is_error(400, "VALIDATION_ERROR")


async def test_a18_reset_replaces_the_password_and_ends_everything(
    server: Server, reg: Register, admin: Person
) -> None:
    """The token works once; the old password, the old tokens and a lock are gone."""
    (a,) = await reg("a")
    await ask_reset(server.url, a.email)
    token = token_of(await mailed(server, a.email, RESET))
    for _ in range(5):
        (await login(a, "Wrong-Words-12")).is_error(401, "INVALID_CREDENTIALS")
    (await login(a)).is_error(423, "ACCOUNT_LOCKED")
    weak = await confirm_reset(server.url, token, "password1234")
    weak.is_error(400, "VALIDATION_ERROR")
    assert weak.fields == ["new_password"]
    (await confirm_reset(server.url, token)).ok()
    (await confirm_reset(server.url, token)).is_error(401, "INVALID_TOKEN")
    (await login(a)).is_error(401, "INVALID_CREDENTIALS")
    (await login(a, NEW)).ok()
    (await me(a)).is_error(401, "TOKEN_REVOKED")
    (await refresh(server.url, a.refresh)).is_error(401, "INVALID_TOKEN")
    await mailed(server, a.email, "Your password was changed")
    await mailed(server, a.email, "Somebody tries to get into your account")
    for event in ("password_reset_requested", "password_reset_completed"):
        await audited(admin, event, target_id=a.user_id, result="success")


async def test_a19_tokens_are_for_one_use_one_purpose_and_a_while(serve: Serve, reg: Register) -> None:
    """Older, expired and foreign tokens are refused; nothing changes."""
    async with serve(auth={"reset_ttl": 1}) as server:
        (a,) = await reg("a", url=server.url)
        await ask_reset(server.url, a.email)
        old = token_of(await mailed(server, a.email, RESET))

        async def expired() -> bool:
            # A weak password is refused only while the token is good, and does not use it up.
            return (await confirm_reset(server.url, old, "password1234")).status == 401

        await eventually(expired)
        (await confirm_reset(server.url, old)).is_error(401, "INVALID_TOKEN")
        (await login(a)).ok()


async def test_a19_tokens_do_not_open_other_doors(server: Server, reg: Register) -> None:
    """The first of two reset tokens; a token of a change at the reset, and one of a reset at the change."""
    (a,) = await reg("a")
    await ask_reset(server.url, a.email)
    first = token_of(await mailed(server, a.email, RESET))
    await ask_reset(server.url, a.email)
    second = token_of(await mailed(server, a.email, RESET, count=2))
    new_email = stranger(server.url, "n").email
    (await a.post("/v1/users/me/email", {"new_email": new_email, "password": a.password})).ok(202)
    change = token_of(await mailed(server, new_email, CHANGE))
    for token in (first, change, "x", second[:-1], secrets.token_urlsafe(32)):
        (await confirm_reset(server.url, token)).is_error(401, "INVALID_TOKEN")
    for token in (second, first):
        (await a.post("/v1/users/me/email/verify", {"token": token})).is_error(401, "INVALID_TOKEN")
        (await verify(server.url, token)).is_error(401, "INVALID_TOKEN")
    assert (await me(a)).ok()["email"] == a.email
    (await confirm_reset(server.url, second)).ok()


async def test_a21_change_of_address(server: Server, reg: Register, admin: Person) -> None:
    """A mail to the new and a notice to the old address; it counts once its owner brings the token."""
    a, b = await reg("a", "b")
    other = await a.login()
    old_email, new_email = a.email, stranger(server.url, "n").email
    wrong = {"new_email": new_email, "password": "Wrong-Words-12"}
    (await a.post("/v1/users/me/email", wrong)).is_error(401, "INVALID_CREDENTIALS")
    taken = await a.post("/v1/users/me/email", {"new_email": b.email.upper(), "password": a.password})
    taken.is_error(409, "CONFLICT")
    assert taken.fields == ["new_email"]
    (await a.post("/v1/users/me/email", {"new_email": new_email, "password": a.password})).ok(202)
    token = token_of(await mailed(server, new_email, CHANGE))
    notice = await mailed(server, old_email, "Your e-mail address is about to change")
    assert token not in notice.as_string()
    assert new_email not in notice.as_string()
    (await b.post("/v1/users/me/email/verify", {"token": token})).is_error(401, "INVALID_TOKEN")
    user = (await a.post("/v1/users/me/email/verify", {"token": token})).ok()
    assert (user["email"], user["email_verified"]) == (new_email, True)
    assert (await me(a)).ok() == user
    (await me(other)).is_error(401, "TOKEN_REVOKED")
    (await login(a)).is_error(401, "INVALID_CREDENTIALS")
    a.email = new_email
    (await login(a)).ok()
    for event in ("email_change_requested", "email_changed"):
        record = await audited(admin, event, target_id=a.user_id)
        assert new_email not in str(record)
    await post(server.url, "/v1/auth/password-reset/request", {"email": old_email})
    await audited(admin, "password_reset_requested", result="failure", target_id=None)


async def test_a22_verification_before_the_first_login(serve: Serve, tmp_path: Path) -> None:
    """No tokens and no login before the address is proven; links begin with the public address (Z4)."""
    async with serve(
        auth={"email_verification": "required"}, server={"public_url": "https://chat.example.test/app"}
    ) as server:
        a = stranger(server.url, "a")
        forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "192.0.2.1"}
        answer = await request(server.url, "POST", "/v1/auth/register", body_of(a), headers=forged)
        data = answer.ok(201)
        assert data.keys() == {"user", "email_verification_required"}
        assert (data["email_verification_required"], data["user"]["email_verified"]) == (True, False)
        (await login(a)).is_error(403, "EMAIL_NOT_VERIFIED")
        (await login(a, "Wrong-Words-12")).is_error(401, "INVALID_CREDENTIALS")
        first = await mailed(server, a.email, VERIFY)
        assert link_of(first) == f"https://chat.example.test/app/verify-email?token={token_of(first)}"
        assert "evil" not in first.as_string()
        nobody = stranger(server.url, "x").email
        answers = [
            await post(server.url, "/v1/auth/verify-email/resend", {"email": email}, headers=forged)
            for email in (nobody, a.email)
        ]
        assert answers[0].ok() == answers[1].ok()
        second = token_of(await mailed(server, a.email, VERIFY, count=2))
        (await verify(server.url, token_of(first))).is_error(401, "INVALID_TOKEN")
        (await verify(server.url, second)).ok()
        (await verify(server.url, second)).is_error(401, "INVALID_TOKEN")
        data = (await login(a)).ok()
        assert data["user"]["email_verified"] is True
        assert mails(server, nobody) == []
        admin = await make_admin(server)  # whom the operator vouches for
        await audited(admin, "email_verified", target_id=data["user"]["user_id"])
        await audited(admin, "login_failed", target_id=data["user"]["user_id"], reason="unverified")
        await z9_nothing_to_read(server, [token_of(first), second, a.email.partition("@")[0] + "-nobody"])


async def z9_nothing_to_read(server: Server, secrets_: list[str]) -> None:
    """Z9: a copy of the database gives none of these away."""
    stored = server.tables.dump()
    assert b"one_time_tokens" in stored
    assert [secret for secret in secrets_ if secret.encode() in stored] == []


@pytest.fixture
def post_office(tmp_path: Path) -> Iterator[MailServer]:
    """An SMTP server that runs."""
    office = MailServer(tmp_path / "taken")
    office.start()
    yield office
    office.kill()


async def test_n11_mail_survives_a_mail_server_that_is_down(
    serve: Serve, reg: Register, post_office: MailServer
) -> None:
    """The request is answered at once; the mail waits, is seen waiting, arrives once the server is back."""
    mail = {"backend": "smtp", "host": "127.0.0.1", "port": post_office.port, "tls": "none"}
    async with serve(mail={**mail, "from": "Chat <chat@example.test>"}) as server:
        a, b = await reg("a", "b", url=server.url)
        (await ask_reset(server.url, a.email)).ok()

        async def arrived(person: Person) -> bool:
            return bool(post_office.mails(person.email))

        await eventually(lambda: arrived(a))
        (first,) = post_office.mails(a.email)
        assert first["From"] == "Chat <chat@example.test>"
        post_office.kill()
        async with asyncio.timeout(5):
            (await ask_reset(server.url, b.email)).ok()

        async def seen_waiting() -> bool:
            down = await metric(server, "dependency_up", dependency="mail") == 0
            return down and await metric(server, "outbox_pending", kind="mail") == 1

        await eventually(seen_waiting)
        ready = (await request(server.url_of("auth"), "GET", "/readyz")).body
        assert (ready["status"], ready["dependencies"]["mail"]["status"]) == ("degraded", "down")
        admin = await make_admin(server)
        queues = (await admin.get("/v1/admin/queues")).ok()["queues"]
        assert [queue["pending"] for queue in queues if queue["name"] == "mail"] == [1]
        post_office.start()
        await eventually(lambda: arrived(b))
        (late,) = post_office.mails(b.email)
        (await confirm_reset(server.url, token_of(late))).ok()

        async def seen_gone() -> bool:
            up = await metric(server, "dependency_up", dependency="mail") == 1
            return up and await metric(server, "outbox_pending", kind="mail") == 0

        await eventually(seen_gone)
        assert await metric(server, "emails_total", kind="password_reset", result="sent") == 2
        assert len(post_office.mails(b.email)) == 2  # the reset, and that the password was changed
        assert (server.data_dir / "mail").exists() is False


async def test_a_new_device_is_told(serve: Serve, reg: Register) -> None:
    """A login from a device and an address that are both new: mail and audit record."""
    async with serve(server={"trusted_proxies": "127.0.0.0/8"}) as server:
        admin = await make_admin(server)
        (a,) = await reg("a", url=server.url)
        body = {"email": a.email, "password": a.password}
        far = {"headers": {"x-forwarded-for": "203.0.113.9"}}
        (await post(server.url, "/v1/auth/login", body, **far)).ok()
        (await post(server.url, "/v1/auth/login", {**body, "device_name": "Phone"}, **far)).ok()
        (await post(server.url, "/v1/auth/login", {**body, "device_name": "Tablet"})).ok()
        far = {"headers": {"x-forwarded-for": "203.0.113.10"}}
        (await post(server.url, "/v1/auth/login", {**body, "device_name": "Laptop"}, **far)).ok()
        mail = await mailed(server, a.email, "A login from a new device")
        text = mail.get_body(("plain",))
        assert text is not None
        assert "Laptop, 203.0.113.10." in " ".join(text.get_content().split())
        record = await audited(admin, "new_device_login", actor_id=a.user_id)
        assert record["ip"] == "203.0.113.10"


async def test_a_changed_password_is_told(server: Server, reg: Register) -> None:
    """The owner gets a mail."""
    (a,) = await reg("a")
    body = {"old_password": a.password, "new_password": NEW}
    (await a.post("/v1/users/me/password", body)).ok()
    await mailed(server, a.email, "Your password was changed")
