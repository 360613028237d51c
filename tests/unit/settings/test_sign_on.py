"""Providers of single sign-on in the settings."""

import json
from pathlib import Path
from typing import Any

import pytest

from secureconnect.app.settings import Settings, SettingsError, load
from secureconnect.app.settings.reference import document, effective, listing

SECRET = "hunter2-and-more"
CONFIG = """\
[auth]
oidc_redirect_uris = ["https://chat.example.test/sso", "org.example.chat:/sso"]

[[auth.oidc_providers]]
id = "corp"
name = "Corp"
issuer = "https://id.example.test/realm"
client_id = "chat"
client_secret_file = "{secret}"

[[auth.oidc_providers]]
id = "local"
name = "Local"
issuer = "http://127.0.0.1:9400"
client_id = "chat"
scopes = ["openid"]
"""
GOOD = {"id": "corp", "name": "Corp", "issuer": "https://id.example.test", "client_id": "chat"}
APP = "https://chat.example.test/sso"


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def given(*providers: Any, uris: str = APP, **more: str) -> Settings:
    environ = {
        "SECURECONNECT__AUTH__OIDC_PROVIDERS": json.dumps(providers),
        "SECURECONNECT__AUTH__OIDC_REDIRECT_URIS": uris,
        **more,
    }
    return load(environ=environ).settings


def fault(*providers: Any, **more: str) -> str:
    with pytest.raises(SettingsError) as error:
        given(*providers, **more)
    assert SECRET not in str(error.value)
    return str(error.value)


def test_tables_of_the_file_with_a_secret_from_another(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    config = tmp_path / "settings.toml"
    config.write_text(CONFIG.replace("{secret}", str(tmp_path / "secret")))
    loaded = load(environ={}, config=config)
    corp, local = loaded.settings.auth.oidc_providers
    assert (corp.id, corp.client_secret, corp.scopes) == ("corp", SECRET, ("openid", "profile", "email"))
    assert (local.id, local.client_secret, local.scopes) == ("local", "", ("openid",))
    shown = effective(loaded)["auth.oidc_providers"]["value"]
    assert [row["client_secret"] for row in shown] == ["***", ""]
    for text in (repr(loaded.settings), "\n".join(listing(loaded))):
        assert SECRET not in text
        assert "https://id.example.test/realm" in text


def test_tables_of_a_variable() -> None:
    (corp,) = given({**GOOD, "client_secret": SECRET}).auth.oidc_providers
    assert (corp.name, corp.client_secret) == ("Corp", SECRET)
    assert Settings().auth.oidc_providers == ()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"id": "Corp/../x"}, "[0].id"),
        ({"client_id": ""}, "[0].client_id"),
        ({"name": 7}, "[0].name"),
        ({"secret": SECRET}, "unknown field secret"),
        ({"client_secret": SECRET, "client_secret_file": "x"}, "not both"),
        ({"client_secret_file": "missing"}, "missing cannot be read"),
        ({"client_secret_file": 7}, "must be the path of a file"),
        ({"issuer": "id.example.test"}, "the issuer of corp must be"),
        ({"issuer": "https://id.example.test?x"}, "the issuer of corp must be"),
    ],
)
def test_what_is_wrong_with_a_table(changed: dict[str, Any], said: str) -> None:
    assert said in fault({**GOOD, **changed})


def test_what_is_wrong_with_the_whole() -> None:
    assert "two with the id corp" in fault(GOOD, GOOD)
    assert "missing required field" in fault({"id": "corp"})
    assert "list of tables" in fault("corp")
    assert "nobody could come back" in fault(GOOD, uris="")
    with pytest.raises(SettingsError, match="list of tables"):
        load(environ={"SECURECONNECT__AUTH__OIDC_PROVIDERS": f"corp, {SECRET}"})


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "/sso",
        "chat:/sso",
        f"{APP}#x",
        f"{APP} x",
        "https://ü.example/",
    ],
)
def test_where_nobody_is_led_back_to(uri: str) -> None:
    assert "oidc_redirect_uris" in fault(GOOD, uris=json.dumps([uri]))


def test_production_wants_tls_and_good_secrets() -> None:
    production = {
        "SECURECONNECT__SERVER__ENVIRONMENT": "production",
        "SECURECONNECT__SERVER__PUBLIC_URL": "https://chat.example.test",
    }
    assert "the issuer of corp" in fault({**GOOD, "issuer": "http://id.example.test"}, **production)
    assert "well-known default" in fault({**GOOD, "client_secret": "changeme"}, **production)
    assert "oidc_redirect_uris" in fault(GOOD, uris="http://chat.example.test/", **production)
    given({**GOOD, "issuer": "http://127.0.0.1:9400", "client_secret": SECRET}, **production)
    given({**GOOD, "issuer": "http://id.example.test"}, uris="http://chat.example.test/")


def test_the_reference_describes_the_table() -> None:
    assert "### [[auth.oidc_providers]]" in document()
    assert "| client_secret 🔑 |" in document()
