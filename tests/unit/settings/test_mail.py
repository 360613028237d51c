"""The section about mail, and a key that Python keeps for itself."""

from pathlib import Path

import pytest

from secureconnect.app.settings import SettingsError, load
from secureconnect.app.settings.production import warnings
from secureconnect.app.settings.reference import effective, listing

SMTP = {
    "SECURECONNECT__MAIL__BACKEND": "smtp",
    "SECURECONNECT__MAIL__HOST": "mail.example.test",
    "SECURECONNECT__MAIL__FROM": "Chat <chat@example.test>",
    "SECURECONNECT__MAIL__USERNAME": "robot",
    "SECURECONNECT__MAIL__PASSWORD": "Sesame-Gate-77",
}
PRODUCTION = {
    "SECURECONNECT__SERVER__ENVIRONMENT": "production",
    "SECURECONNECT__SERVER__PUBLIC_URL": "https://chat.example.test",
}


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(environ=environ)
    return [problem.key for problem in error.value.problems]


def test_from_is_read_and_shown_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('[mail]\nfrom = "a@example.test"\n')
    loaded = load(environ={}, config=tmp_path / "s.toml")
    assert (loaded.settings.mail.sender, loaded.origin("mail.from").source) == ("a@example.test", "file")
    loaded = load(environ=SMTP)
    assert loaded.settings.mail.sender == "Chat <chat@example.test>"
    assert effective(loaded)["mail.from"]["value"] == "Chat <chat@example.test>"
    assert effective(loaded)["mail.password"]["value"] == "***"
    assert not any("Sesame" in line or "mail.sender" in line for line in listing(loaded))
    assert "Sesame" not in repr(loaded.settings.mail)


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"HOST": ""}, ["mail.host"]),
        ({"PASSWORD": ""}, ["mail.password"]),
        ({"USERNAME": ""}, ["mail.username"]),
        ({"FROM": "nobody"}, ["mail.from"]),
        ({"FROM": "a@example.test\nBcc: b@example.test"}, ["mail.from"]),
        ({"TLS": "ssl"}, ["mail.tls"]),
        ({"PORT": "0"}, ["mail.port"]),
    ],
)
def test_contradictions(changes: dict[str, str], keys: list[str]) -> None:
    assert (
        refused({**SMTP, **{f"SECURECONNECT__MAIL__{key}": value for key, value in changes.items()}}) == keys
    )


def test_production_wants_real_mail_and_a_real_password() -> None:
    def said(environ: dict[str, str]) -> str:
        return "\n".join(warnings(load(environ={**PRODUCTION, **environ}).settings))

    assert "mail is written to files" in said({})
    assert "mail" not in said(SMTP)
    assert "unencrypted" in said({**SMTP, "SECURECONNECT__MAIL__TLS": "none"})
    assert refused({**PRODUCTION, **SMTP, "SECURECONNECT__MAIL__PASSWORD": "short"}) == ["mail.password"]
