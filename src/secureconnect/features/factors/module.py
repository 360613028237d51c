"""What factors contribute."""

from secureconnect.edge.module import Module
from secureconnect.features.factors.http import routes
from secureconnect.features.factors.service import Assertions, Enrolment, Passkeys, SecondFactorService
from secureconnect.features.users.api import Users

__all__ = ["module"]


def module(
    enrolment: Enrolment,
    second_factors: SecondFactorService,
    passkeys: Passkeys,
    assertions: Assertions,
    users: Users,
) -> Module:
    """TOTP, recovery codes, passkeys."""
    return Module(
        name="factors",
        role="auth",
        routes=routes(enrolment, second_factors, passkeys, assertions, users),
    )
