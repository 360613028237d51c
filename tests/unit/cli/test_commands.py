"""Commands: what they print, where, and with which exit code."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from secureconnect import __version__
from secureconnect.app.cli import main
from secureconnect.app.failure import Failure
from secureconnect.app.settings import Settings
from secureconnect.app.settings.reference import document
from secureconnect.kit.errors import ApiError, Detail, ErrorCode

Capture = pytest.CaptureFixture[str]
FAULTY = '[auth]\nacess_ttl=5\n[server]\nport="x"\n[nonsense]\na=1\n'


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("SECURECONNECT__"):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Settings]]:
    """The settings that the server was started with."""
    started: list[Settings] = []

    def serve(settings: Settings, read: Callable[[], Settings], _: Sequence[str]) -> int:
        assert read() == settings
        started.append(settings)
        return 0

    monkeypatch.setitem(sys.modules, "secureconnect.app.server", SimpleNamespace(serve=serve))
    return iter([started])


def test_version(capsys: Capture) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith(f"secureconnect {__version__} (commit ")
    assert main(["version", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["version"] == __version__
    assert told["schema"]["relational"] >= 1
    assert set(told) == {"version", "commit", "schema"}


@pytest.mark.parametrize(
    "arguments", [[], ["nope"], ["config"], ["config", "nope"], ["serve", "--prot", "1"]]
)
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: secureconnect")


def test_config_check_lists_every_problem(directory: Path, capsys: Capture) -> None:
    (directory / "secureconnect.toml").write_text(FAULTY)
    assert main(["config", "check"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "3 problems with the settings" in printed.err
    assert "secureconnect.toml:2: auth.acess_ttl: " in printed.err

    assert main(["config", "check", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert [(problem["key"], problem["where"]) for problem in told["problems"]] == [
        ("auth.acess_ttl", "secureconnect.toml:2"),
        ("server.port", "secureconnect.toml:4"),
        ("nonsense.a", "secureconnect.toml:6"),
    ]


def test_config_check_of_good_settings(capsys: Capture) -> None:
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().out == "the settings are good\n"
    assert main(["config", "check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "problems": [], "warnings": []}


def test_config_check_warns_about_production_on_one_disk(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("SECURECONNECT__SERVER__ENVIRONMENT", "production")
    monkeypatch.setenv("SECURECONNECT__SERVER__PUBLIC_URL", "https://chat.example")
    assert main(["config", "check", "--json"]) == 0
    warnings = json.loads(capsys.readouterr().out)["warnings"]
    named = [
        "one disk",
        "mail.backend",
        "push.fcm_credentials",
        "turn.urls",
        "auth.admin_mfa_required",
        "backup.schedule",
        "/metrics",
    ]
    assert [any(name in warning for warning in warnings) for name in named] == [True] * len(named)
    assert len(warnings) == len(named)


def test_config_show_tells_values_with_their_source(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    config = directory / "own.toml"
    config.write_text('[auth]\naccess_ttl = 60\n[observability]\nmetrics_token = "Grey-Button-55"\n')
    for variable, value, source in (("120", 120, "env"), (None, 60, "file")):
        if variable:
            monkeypatch.setenv("SECURECONNECT__AUTH__ACCESS_TTL", variable)
        else:
            monkeypatch.delenv("SECURECONNECT__AUTH__ACCESS_TTL")
        assert main(["config", "show", "--json", "--config", str(config)]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["auth.access_ttl"]["value"], told["auth.access_ttl"]["source"]) == (value, source)
        assert told["observability.metrics_token"]["value"] == "***"
        assert told["auth.issuer"]["source"] == "default"
    assert main(["--config", str(config), "config", "show"]) == 0
    text = capsys.readouterr().out
    assert f"auth.access_ttl = 60  # file: {config}:2\n" in text
    assert "Grey-Button-55" not in text


def test_config_doc_is_the_reference(capsys: Capture) -> None:
    assert main(["config", "doc"]) == 0
    assert capsys.readouterr().out == document()


def test_serve_gets_the_settings(served: Iterator[list[Settings]], directory: Path) -> None:
    started = next(served)
    assert main(["serve", "--host", "0.0.0.0", "--port", "9000", "--data-dir", "d"]) == 0
    [settings] = started
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 9000)
    assert settings.data_dir == Path("d")
    assert not (directory / "data").exists()


@pytest.mark.parametrize("before", [True, False])
def test_config_and_data_dir_stand_anywhere(
    before: bool, served: Iterator[list[Settings]], directory: Path
) -> None:
    (directory / "own.toml").write_text("[server]\nport = 9001\n")
    started = next(served)
    everywhere = ["--config", "own.toml", "--data-dir", "d"]
    assert main([*everywhere, "serve"] if before else ["serve", *everywhere]) == 0
    assert (started[0].server.port, started[0].server.data_dir) == (9001, "d")


@pytest.mark.parametrize("arguments", [["auth"], ["gateway", "chat"], ["--workers", "2"]])
def test_serve_refuses_what_needs_shared_stores(
    arguments: list[str], served: Iterator[list[Settings]], capsys: Capture
) -> None:
    assert main(["serve", *arguments]) == 2
    complaint = capsys.readouterr().err
    for key in ("database.url", "redis.url", "object_store.backend", "secrets.master_key"):
        assert key in complaint
    assert next(served) == []


def test_a_role_is_served_on_its_own_port_with_all_stores_given(
    monkeypatch: pytest.MonkeyPatch, served: Iterator[list[Settings]]
) -> None:
    monkeypatch.setenv("SECURECONNECT__DATABASE__URL", "postgresql://chat:Orange-Ladder-77@db/chat")
    monkeypatch.setenv("SECURECONNECT__REDIS__URL", "redis://:Green-Window-31@cache")
    monkeypatch.setenv("SECURECONNECT__OBJECT_STORE__BACKEND", "s3")
    monkeypatch.setenv("SECURECONNECT__OBJECT_STORE__ACCESS_KEY", "key")
    monkeypatch.setenv("SECURECONNECT__OBJECT_STORE__SECRET_KEY", "Blue-Kettle-58-Moss")
    monkeypatch.setenv("SECURECONNECT__SECRETS__MASTER_KEY", base64.b64encode(bytes(32)).decode())
    assert main(["serve", "chat"]) == 0
    [settings] = next(served)
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 8082)
    assert settings.server.public_url == "http://localhost:8080"
    assert not settings.database.auto_migrate


def test_unknown_roles_are_named(capsys: Capture) -> None:
    assert main(["serve", "chta"]) == 2
    assert "there is no role 'chta'; roles are gateway, auth, chat, video, storage" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "complaint"),
    [
        (Failure("stop the other one"), 1, "secureconnect: stop the other one\n"),
        (Failure("no database", exit_code=3), 3, "secureconnect: no database\n"),
        (OSError(98, "Address already in use"), 1, "secureconnect: [Errno 98] Address already in use\n"),
        (FileNotFoundError(2, "No such file", "x"), 1, "secureconnect: x: No such file\n"),
        (KeyboardInterrupt(), 1, "secureconnect: interrupted\n"),
        (ApiError(ErrorCode.DATABASE_UNAVAILABLE, "locked"), 3, "secureconnect: locked\n"),
        (
            ApiError(ErrorCode.VALIDATION_ERROR, "refused", details=[Detail("email", "is wrong")]),
            1,
            "secureconnect: refused\n  email: is wrong\n",
        ),
    ],
)
def test_expected_ends_are_one_message_and_a_code(
    error: BaseException, code: int, complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def serve(*_: object) -> int:
        raise error

    monkeypatch.setitem(sys.modules, "secureconnect.app.server", SimpleNamespace(serve=serve))
    assert main(["serve"]) == code
    assert capsys.readouterr().err == complaint


@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
def test_documents_go_to_stdout_or_a_file(
    name: str, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], directory: Path
) -> None:
    rendered = '{"title":"…"}'.encode()
    module = SimpleNamespace(**{f"{name}_bytes": lambda: rendered})
    monkeypatch.setitem(sys.modules, "secureconnect.app.blueprint", module)
    assert main([name]) == 0
    assert capfdbinary.readouterr().out == rendered
    assert main([name, "--out", "document.json"]) == 0
    assert capfdbinary.readouterr().out == b""
    assert (directory / "document.json").read_bytes() == rendered


def test_createadmin_reads_the_password_from_a_file(
    monkeypatch: pytest.MonkeyPatch, directory: Path, capsys: Capture
) -> None:
    given: list[tuple[str, ...]] = []

    def create_admin(_: Settings, *who: str) -> str:
        given.append(who)
        return "made"

    monkeypatch.setitem(sys.modules, "secureconnect.app.admin", SimpleNamespace(create_admin=create_admin))
    (directory / "password").write_text("Violet-Kettle-42-Rain\n")
    arguments = ["createadmin", "--email", "a@example.test", "--username", "a", "--password-file", "password"]
    assert main(arguments) == 0
    assert given == [("a@example.test", "a", "Violet-Kettle-42-Rain")]
    assert capsys.readouterr().out == "made\n"


def test_createadmin_without_terminal_asks_for_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False))
    assert main(["createadmin", "--email", "a@example.test", "--username", "a"]) == 2
    assert "--password-file" in capsys.readouterr().err


def test_a_reader_that_stops_reading_is_no_error() -> None:
    program = "import sys; from secureconnect.app.cli import main; sys.exit(main())"
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", program, "config", "doc"], stdout=writing, stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(writing)
        os.close(reading)
        _, complaint = process.communicate(timeout=30)
    assert complaint == ""
    assert process.returncode == 1


def test_looking_at_settings_loads_nothing_heavy() -> None:
    program = (
        "import sys; from secureconnect.app.cli import main; main(['config', 'check']);"
        "print(sorted({'sqlalchemy', 'uvicorn', 'alembic', 'httpx', 'cryptography'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "the settings are good\n[]\n"


def test_a_server_with_a_data_directory_loads_nothing_of_others() -> None:
    """HTTP and SMTP clients, drivers of servers and decoders of pictures are loaded by what needs them."""
    source = (
        "import sys; import secureconnect.app.server;"
        "names = {'httpx', 'aiosmtplib', 'PIL', 'asyncpg', 'redis', 'cassandra', 'alembic'};"
        "print(sorted(names & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
