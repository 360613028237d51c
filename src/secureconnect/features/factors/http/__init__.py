"""Routes of second factors and passkeys (docs/reference/http.md, factors)."""

from secureconnect.edge.http.routing import Route
from secureconnect.features.factors.http.codes import code_routes
from secureconnect.features.factors.http.passkeys import passkey_routes
from secureconnect.features.factors.service import Assertions, Enrolment, Passkeys, SecondFactorService
from secureconnect.features.users.api import Users

__all__ = ["routes"]


def routes(
    enrolment: Enrolment,
    second_factors: SecondFactorService,
    passkeys: Passkeys,
    assertions: Assertions,
    users: Users,
) -> list[Route]:
    """Everything below `/v1/auth/mfa` and `/v1/auth/passkeys`."""
    return [*code_routes(enrolment, second_factors, users), *passkey_routes(passkeys, assertions, users)]
