"""Somebody with an authenticator app and a passkey."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

from pyotp import TOTP

from secureconnect.features.auth.api import SecondStep
from secureconnect.features.factors.store import Passkey
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.principal import Principal
from tests.authenticator import Authenticator
from tests.unit.auth.world import HERE, ORIGIN, World

__all__ = ["Credential", "Person", "join", "refusal"]

#: What a browser gives back: the answer of an authenticator, as JSON.
Credential = dict[str, Any]


async def refusal(work: Awaitable[Any]) -> ErrorCode | None:
    """The code of the refusal that this ends in, or None."""
    try:
        await work
    except ApiError as error:
        return error.code
    return None


@dataclass
class Person:
    """An account with its first session."""

    w: World
    name: str
    caller: Principal
    secret: str = ""
    codes: list[str] = field(default_factory=list)
    device: Authenticator = field(default_factory=lambda: Authenticator(ORIGIN))

    @property
    def user_id(self) -> str:
        return self.caller.user_id

    def code(self, steps: int = 0) -> str:
        """What the app shows now, or some steps of 30 s later."""
        return TOTP(self.secret).generate_otp(self.w.clock.now() // 30_000 + steps)

    @property
    def wrong(self) -> str:
        """A code that the app does not show."""
        shown = {self.code(steps) for steps in (-2, -1, 0, 1, 2)} if self.secret else set()
        return next(
            code for code in ("000000", "111111", "222222", "333333", "444444", "555555") if code not in shown
        )

    async def protect(self) -> None:
        """Switch TOTP on; the code of the next step is unused."""
        self.secret = (await self.w.factors.enrolment.set_up(self.caller)).secret
        self.codes = await self.w.factors.enrolment.confirm(self.caller, HERE, self.code())
        self.w.clock.move(seconds=30)

    async def knock(self) -> SecondStep:
        """Give the password and be asked for more."""
        step = await self.w.knock(self.name)
        assert isinstance(step, SecondStep)
        return step

    async def add_passkey(self, name: str = "laptop") -> Passkey:
        """Register the device."""
        challenge_id, options = await self.w.factors.passkeys.begin(self.caller)
        return await self.w.factors.passkeys.finish(
            self.caller, HERE, challenge_id=challenge_id, credential=self.device.create(options), name=name
        )


async def join(w: World, name: str) -> Person:
    """A new account."""
    record, tokens = await w.join(name)
    caller = await w.access.authenticate(tokens.access_token)
    assert caller.user_id == record.user_id
    return Person(w, name, caller)
