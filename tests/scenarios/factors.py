"""Second factors and passkeys, as the scenarios use them."""

import time
from typing import Any

from pyotp import TOTP

from tests.authenticator import Authenticator
from tests.scenarios.patience import eventually
from tests.scenarios.steps import Answer, Person, request

__all__ = ["App", "device_of", "log_in", "passkey_options", "protect", "register_passkey", "verify"]

_PERIOD = 30


class App:
    """An authenticator app. It shows each code once, and waits for the next when all are used."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self._totp = TOTP(secret)
        self._last = 0

    async def code(self) -> str:
        """The oldest code that the server still takes and that was not used: three in a row need no wait."""

        async def due() -> bool:
            return self._last <= self._now()

        await eventually(due, 2 * _PERIOD)
        self._last = max(self._last + 1, self._now() - 1)
        return self._totp.generate_otp(self._last)

    @property
    def last(self) -> str:
        """The code that was shown last."""
        return self._totp.generate_otp(self._last)

    @property
    def wrong(self) -> str:
        """A code that is not shown near now."""
        near = {self._totp.generate_otp(self._now() + step) for step in range(-2, 4)}
        return next(code for code in map("{:06}".format, range(10)) if code not in near)

    @staticmethod
    def _now() -> int:
        return int(time.time()) // _PERIOD


async def protect(person: Person) -> tuple[App, list[str]]:
    """Switch TOTP on; returns the app and the recovery codes."""
    app = App((await person.post("/v1/auth/mfa/totp/setup")).ok()["secret"])
    confirmed = await person.post("/v1/auth/mfa/totp/confirm", {"code": await app.code()})
    return app, confirmed.ok()["recovery_codes"]


async def log_in(person: Person) -> Any:
    """What the right password is answered with."""
    body = {"email": person.email, "password": person.password}
    return (await request(person.url, "POST", "/v1/auth/login", body)).ok()


async def verify(url: str, mfa_token: str, code: str, method: str = "totp") -> Answer:
    """The second step with a code."""
    body = {"mfa_token": mfa_token, "method": method, "code": code}
    return await request(url, "POST", "/v1/auth/mfa/verify", body)


def device_of(person: Person) -> Authenticator:
    """A device with a browser on the server's public address."""
    return Authenticator(f"http://localhost:{person.url.rpartition(':')[2]}")


async def register_passkey(person: Person, device: Authenticator, name: str = "laptop") -> Any:
    """A new passkey on the device."""
    begun = (await person.post("/v1/auth/passkeys/register/begin")).ok()
    body = {
        "challenge_id": begun["challenge_id"],
        "credential": device.create(begun["public_key"]),
        "name": name,
    }
    return (await person.post("/v1/auth/passkeys/register/finish", body)).ok(201)


async def passkey_options(url: str) -> Any:
    """A challenge to log in."""
    return (await request(url, "POST", "/v1/auth/passkeys/login/begin")).ok()
