"""What the log of a server may hold, whatever was done to it."""

import json
import re
from typing import Any

from tests.scenarios.pieces import LOGS
from tests.scenarios.server import Server
from tests.scenarios.steps import ISSUED, PASSWORD, SAID

__all__ = ["check_log", "check_secrets", "log_lines"]

_FIELDS = {"timestamp", "level", "message", "service", "caller"}
_SERVICES = {
    "secureconnect",
    "api-gateway",
    "auth-service",
    "chat-service",
    "video-service",
    "storage-service",
}
_LEVELS = {"debug", "info", "warn", "error"}
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_SERVICES = {
    "secureconnect",
    *("api-gateway", "auth-service", "chat-service", "video-service", "storage-service"),
}
_LONG = re.compile(r"[\w.-]{40,}")
_QUERY = re.compile(r"[?&][\w%]+=")


def log_lines(server: Server) -> list[dict[str, Any]]:
    """Every line of the log so far, which is one JSON object each."""
    return [json.loads(line) for line in _lines(server.log_text())]


def _lines(text: str) -> list[str]:
    """Lines end with a line feed and nothing else; a process that was killed may leave half a one."""
    return text.split("\n")[:-1]


def check_log(server: Server) -> None:
    """Every line is complete; no request met a defect."""
    text = server.log_text()
    for line in _lines(text):
        record = json.loads(line)
        assert record.keys() >= _FIELDS, line
        assert record["level"] in _LEVELS, line
        assert record["service"] in _SERVICES, line
        assert _TIMESTAMP.fullmatch(record["timestamp"]), line
        assert record.get("error_code") != "INTERNAL_ERROR", line
        assert not _QUERY.search(record.get("path", "")), line


def check_secrets() -> None:
    """No process of this run wrote down a password, a token that somebody got, or what somebody said."""
    while LOGS:
        log = LOGS.pop()
        text = log.read_text() if log.exists() else ""
        assert PASSWORD not in text, log
        assert not ISSUED.intersection(_LONG.findall(text)), log
        assert not [said for said in SAID if said in text], log
