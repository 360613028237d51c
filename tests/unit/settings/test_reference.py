"""What `config show` and `config doc` print."""

from pathlib import Path

import pytest

from secureconnect.app.settings import load
from secureconnect.app.settings.fields import catalogue
from secureconnect.app.settings.reference import document, effective, listing

FIELDS = [field for fields in catalogue().values() for field in fields.values()]


def test_every_setting_says_what_it_means_and_is_documented() -> None:
    text = document()
    assert [field.name for field in FIELDS if not field.description] == []
    assert [field.name for field in FIELDS if f"\n| {field.key} " not in text] == []


def test_secrets_are_shown_as_stars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = load(environ={"SECURECONNECT__OBSERVABILITY__METRICS_TOKEN": "hush-hush"})
    shown = effective(loaded)
    assert shown["observability.metrics_token"] == {
        "value": "***",
        "source": "env",
        "where": "SECURECONNECT__OBSERVABILITY__METRICS_TOKEN",
    }
    assert shown["secrets.master_key"]["value"] == ""
    text = "\n".join(listing(loaded))
    assert "hush-hush" not in text
    assert 'observability.metrics_token = "***"  # env: SECURECONNECT__OBSERVABILITY__METRICS_TOKEN' in text
    assert "auth.access_ttl = 900  # default" in text
    assert "server.shutdown_grace = 30  # default" in text


def test_every_setting_is_listed_once() -> None:
    loaded = load(environ={})
    assert list(effective(loaded)) == [field.name for field in FIELDS]
    assert len(list(listing(loaded))) == len(FIELDS)


def test_the_reference_does_not_depend_on_the_machine() -> None:
    assert "| hash_concurrency | number of CPUs |" in document()
