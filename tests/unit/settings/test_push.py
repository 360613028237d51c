"""Pushes in the settings: a provider is named with everything it needs, or the start is refused."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from secureconnect.app.settings import SettingsError, load
from secureconnect.app.settings.production import warnings
from tests.contract.test_push_fcm import credentials


def p256() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


APNS = {
    "apns_key": p256(),
    "apns_key_id": "ABC123DEFG",
    "apns_team_id": "DEF123GHIJ",
    "apns_bundle_id": "org.example.chat",
}


def environ(**push: str) -> dict[str, str]:
    return {f"SECURECONNECT__PUSH__{name.upper()}": value for name, value in push.items()}


def test_whole_providers() -> None:
    raw = base64.urlsafe_b64encode(bytes(31) + b"\x07").decode().rstrip("=")
    push = load(environ=environ(**APNS, fcm_credentials=credentials(), vapid_private_key=raw)).settings.push
    assert (push.apns_production, push.max_tokens, push.max_age) == (True, 20, 86_400)
    assert (push.allow_private_endpoints, push.suppress_when_online) == (False, True)
    assert "BEGIN" not in repr(push)


@pytest.mark.parametrize(
    ("given", "faulty"),
    [
        ({**APNS, "apns_bundle_id": "", "apns_team_id": ""}, {"push.apns_bundle_id", "push.apns_team_id"}),
        ({"apns_key_id": "ABC123DEFG"}, {"push.apns_key", "push.apns_team_id", "push.apns_bundle_id"}),
        ({**APNS, "apns_key": "nonsense"}, {"push.apns_key"}),
        ({**APNS, "apns_key_id": "short"}, {"push.apns_key_id"}),
        ({"fcm_credentials": "{}"}, {"push.fcm_credentials"}),
        ({"vapid_private_key": "AAAA"}, {"push.vapid_private_key"}),
        ({"vapid_subject": "me@example.test"}, {"push.vapid_subject"}),
        ({"max_age": "59", "max_tokens": "0"}, {"push.max_age", "push.max_tokens"}),
    ],
)
def test_half_providers(given: dict[str, str], faulty: set[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load(environ=environ(**given))
    assert {problem.key for problem in caught.value.problems} == faulty
    assert "nonsense" not in str(caught.value)


def test_production_says_that_apps_get_nothing() -> None:
    production = {
        "SECURECONNECT__SERVER__ENVIRONMENT": "production",
        "SECURECONNECT__SERVER__PUBLIC_URL": "https://chat.example.test",
    }
    assert any("push" in line for line in warnings(load(environ=production).settings))
    configured = load(environ={**production, **environ(**APNS)}).settings
    assert not any("push" in line for line in warnings(configured))
