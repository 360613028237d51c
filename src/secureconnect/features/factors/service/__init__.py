"""Use cases of factors: `enrolment` of TOTP and recovery codes, `passkeys` to own and `assertions` of them,
`second_factors` finish logins. Below: `codes` are checked, `steps` and `challenges` wait, the `relying_party`
speaks WebAuthn, `changes` have consequences.
"""

from secureconnect.features.factors.service.account import FactorService
from secureconnect.features.factors.service.assertions import Assertions
from secureconnect.features.factors.service.challenges import Challenges
from secureconnect.features.factors.service.changes import Changes
from secureconnect.features.factors.service.codes import Codes
from secureconnect.features.factors.service.enrolment import Enrolment, Overview, Setup
from secureconnect.features.factors.service.passkeys import Passkeys
from secureconnect.features.factors.service.relying_party import RelyingParty
from secureconnect.features.factors.service.second_factors import SecondFactorService
from secureconnect.features.factors.service.steps import Steps

__all__ = [
    "Assertions",
    "Challenges",
    "Changes",
    "Codes",
    "Enrolment",
    "FactorService",
    "Overview",
    "Passkeys",
    "RelyingParty",
    "SecondFactorService",
    "Setup",
    "Steps",
]
