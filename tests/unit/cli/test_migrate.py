"""`migrate` on a real file."""

import sqlite3
from pathlib import Path

import pytest

from secureconnect.app.cli import main
from secureconnect.app.data_dir import open_data_dir
from secureconnect.app.settings import load

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tables(database: Path) -> set[str]:
    with sqlite3.connect(database) as connection:
        found = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    connection.close()
    return found


def test_up_down_and_status(directory: Path, capsys: Capture) -> None:
    assert main(["migrate", "status"]) == 0
    assert capsys.readouterr().out.startswith("0001 spine pending\n")
    assert not (directory / "data").exists(), "looking makes nothing"

    assert main(["migrate", "up"]) == 0
    assert "0001 spine applied\n" in capsys.readouterr().out
    assert "users" in tables(directory / "data" / "secureconnect.db")
    assert main(["migrate"]) == 0
    assert capsys.readouterr().out == "nothing to do\n"

    assert main(["migrate", "status"]) == 0
    assert "0001 spine applied 20" in capsys.readouterr().out

    assert main(["migrate", "down", "99", "--yes"]) == 0
    assert "0001 spine undone\n" in capsys.readouterr().out
    assert "users" not in tables(directory / "data" / "secureconnect.db")


@pytest.mark.parametrize("arguments", [["down"], ["down", "0", "--yes"], ["up", "1"], ["status", "1"]])
def test_down_alone_takes_a_number(arguments: list[str], directory: Path, capsys: Capture) -> None:
    assert main(["migrate", *arguments]) == 2
    assert "migrate down 1" in capsys.readouterr().err
    assert not (directory / "data").exists()


@pytest.mark.parametrize(("answer", "code", "remains"), [("no", 1, True), ("yes", 0, False)])
def test_down_asks(
    answer: str, code: int, remains: bool, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["migrate"]) == 0
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert main(["migrate", "down", "99"]) == code
    assert ("users" in tables(directory / "data" / "secureconnect.db")) is remains


def test_down_asks_for_yes_where_nobody_can_answer(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert main(["migrate", "down", "1"]) == 2
    assert "--yes" in capsys.readouterr().err


def test_down_needs_the_server_stopped(capsys: Capture) -> None:
    assert main(["migrate"]) == 0
    with open_data_dir(load(environ={}).settings).lock():
        assert main(["migrate", "down", "1", "--yes"]) == 1
    assert "in use by another SecureConnect process" in capsys.readouterr().err


def test_a_file_that_is_no_database_stays_as_it_is(directory: Path, capsys: Capture) -> None:
    assert main(["migrate"]) == 0
    database = directory / "data" / "secureconnect.db"
    database.write_bytes(b"my diary\n" * 1000)
    assert main(["migrate"]) == 3
    assert "is not a SQLite database" in capsys.readouterr().err
    assert database.read_bytes() == b"my diary\n" * 1000


def test_a_newer_database_is_refused(directory: Path, capsys: Capture) -> None:
    assert main(["migrate"]) == 0
    with sqlite3.connect(directory / "data" / "secureconnect.db") as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (9999, 0, 'x')")
    connection.close()
    assert main(["migrate", "up"]) == 3
    assert "schema version 9999" in capsys.readouterr().err
    assert main(["migrate", "status"]) == 0
    assert "9999 (of a newer program) applied 1970-01-01T00:00:00.000Z" in capsys.readouterr().out
