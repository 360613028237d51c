"""Log lines: one JSON object each, without secrets, whatever is passed and wherever it goes."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from secureconnect.infra.telemetry import log as logs

JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlLWJ5dGVz"


class Written:
    """What went to stdout."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.stream = io.StringIO()

    def configure(self, stream: io.StringIO | None = None, **options: Any) -> None:
        """Set logging up again, towards this stream."""
        self._monkeypatch.setattr(sys, "stdout", stream or self.stream)
        logs.configure(service="secureconnect", **options)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.removesuffix("\n").split("\n") if line]

    def line(self) -> dict[str, Any]:
        (only,) = self.lines()
        return only


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """Logging as the server has it, taken back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("alembic", "uvicorn", "httpx", "websockets")}
    made = Written(monkeypatch)
    made.configure()
    yield made
    structlog.reset_defaults()
    logs.set_level("info")
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def raised(error: Exception) -> Exception:
    """The error with a traceback."""
    try:
        raise error
    except type(error) as caught:
        return caught


def test_a_line_has_its_fields_in_order(written: Written) -> None:
    logs.get_logger().info("it happened", request_id="r", status=200)
    line = written.line()
    assert list(line)[:5] == ["timestamp", "level", "message", "service", "caller"]
    assert (line["level"], line["message"], line["service"]) == ("info", "it happened", "secureconnect")
    assert line["caller"].startswith("test_log:") or line["caller"].startswith("tests.unit.telemetry")
    assert (line["request_id"], line["status"]) == ("r", 200)
    assert line["timestamp"].endswith("Z")
    assert written.text.endswith("\n")


def test_levels_have_the_documented_names(written: Written) -> None:
    log = logs.get_logger()
    log.debug("no")
    log.info("a")
    log.warning("b")
    log.error("c")
    log.critical("d")
    assert [line["level"] for line in written.lines()] == ["info", "warn", "error", "error"]


def test_the_level_can_change_while_loggers_exist(written: Written) -> None:
    log = logs.get_logger().bind()
    log.info("a")
    logs.set_level("error")
    log.warning("b")
    logging.getLogger("library").warning("c")
    logs.set_level("debug")
    log.debug("d")
    logging.getLogger("library").debug("e")
    assert [line["message"] for line in written.lines()] == ["a", "d", "e"]


def test_libraries_write_through_the_same_pipeline(written: Written) -> None:
    logging.getLogger("some.package").warning("took %d ms", 5)
    line = written.line()
    assert (line["level"], line["message"], line["caller"]) == (
        "warn",
        "took 5 ms",
        f"some.package:{line['caller'].rpartition(':')[2]}",
    )


def test_exceptions_are_named_and_shown(written: Written) -> None:
    error = raised(ValueError("of a kind"))
    logs.get_logger().error("failed", exc_info=error)
    logging.getLogger("library").error("failed too", exc_info=error)
    for line in written.lines():
        assert (line["level"], line["exception"]) == ("error", "ValueError")
        assert "Traceback" in line["stacktrace"]
        assert line["stacktrace"].endswith("ValueError: of a kind")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (JWT, "eyJh****dGVz"),
        (f"Bearer {JWT}", "Bearer eyJh****dGVz"),
        ("authorization: bearer abcdefghijkl", "authorization: bearer abcd****ijkl"),
        ("Bearer short", "Bearer ****"),
        ("scb_" + "x" * 39 + "1234", "scb_****1234"),
        ("/v1/ws/chat?ticket=0123456789abcdef&x=1", "/v1/ws/chat?ticket=0123****cdef&x=1"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_tokens_are_masked_wherever_they_turn_up(written: Written, text: str, shown: str) -> None:
    logs.get_logger().info(text, header=text)
    line = written.line()
    assert (line["message"], line["header"]) == (shown, shown)


def test_tokens_in_tracebacks_are_masked(written: Written) -> None:
    logs.get_logger().error("failed", exc_info=raised(RuntimeError(f"refused {JWT}")))
    assert JWT not in written.text


@pytest.mark.parametrize(
    ("token", "masked"), [("", "****"), ("12345678", "****"), ("123456789", "1234****6789")]
)
def test_mask(token: str, masked: str) -> None:
    assert logs.mask(token) == masked


@pytest.mark.parametrize(
    "value",
    [
        "two\nlines\r\n\x00\x1b[31m",
        "\ud800",
        "\u2028",
        10**40,
        float("nan"),
        b"\xff",
        {1: 2, (3, 4): 5},
        {"a", "b"},
        object(),
        ValueError("x"),
        Path("x"),
        None,
    ],
)
def test_whatever_is_passed_is_one_line(written: Written, value: Any) -> None:
    logs.get_logger().info("value", value=value)
    assert written.line()["message"] == "value"
    assert "value" in written.line()


class Broken(io.StringIO):
    def write(self, text: str, /) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_or_a_closed_pipe_stops_nobody(written: Written) -> None:
    """The log may lie on the disk that is full; requests must not fail for that."""
    closed = io.StringIO()
    closed.close()
    for stream in (Broken(), closed):
        written.configure(stream)
        logs.get_logger().info("lost")
    written.configure()
    logs.get_logger().info("seen")
    assert written.line()["message"] == "seen"


def test_a_file_gets_the_same_lines(tmp_path: Path, written: Written) -> None:
    file = tmp_path / "server.log"
    written.configure(file=str(file))
    logs.get_logger().info("a", n=1)
    logs.get_logger().info("b")
    for sink in structlog.get_config()["logger_factory"]()._sinks[1:]:
        sink.close()
    assert [line["message"] for line in written.lines()] == ["a", "b"]
    assert [json.loads(line)["message"] for line in file.read_text().splitlines()] == ["a", "b"]
    assert file.read_text() == written.text


def test_text_is_for_people(written: Written) -> None:
    written.configure(text=True)
    logs.get_logger().info("it happened", n=1)
    assert "it happened" in written.text
    assert not written.text.startswith("{")
