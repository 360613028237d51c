"""What a scrape shows, from before the first request on."""

import re

import pytest

from secureconnect.infra.telemetry.metrics import Metrics

_SAMPLE = re.compile(r"^(\w+)\{(.*)\} (\S+)$")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("secureconnect", "1.2.3")


def scrape(metrics: Metrics) -> Samples:
    """Every sample by name and labels, except `service`, which each must have."""
    found: Samples = {}
    for line in metrics.exposition().decode().splitlines():
        if line.startswith("#"):
            continue
        matched = _SAMPLE.match(line)
        assert matched, line
        labels = dict(re.findall(r'(\w+)="([^"]*)"', matched[2]))
        assert labels.pop("service") == "secureconnect", line
        key = (matched[1], frozenset(labels.items()))
        assert key not in found, line
        found[key] = float(matched[3])
    return found


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return scrape(metrics).get((name, frozenset(labels.items())))


def test_required_metrics_exist_with_zero_before_anything_happened(metrics: Metrics) -> None:
    wanted: list[tuple[str, dict[str, str]]] = [
        ("http_requests_total", {"method": "GET", "endpoint": "unmatched", "status": "404"}),
        ("http_request_duration_seconds_count", {"method": "GET", "endpoint": "unmatched"}),
        ("video_rooms_active", {}),
        ("db_connections_active", {}),
        ("redis_commands_total", {"command": "other"}),
        ("redis_command_duration_seconds_count", {"command": "other"}),
        ("calls_active", {}),
    ]
    wanted += [("websocket_connections_active", {"kind": kind}) for kind in ("chat", "signaling")]
    wanted += [
        ("db_query_duration_seconds_count", {"operation": operation, "table": "other"})
        for operation in ("select", "insert", "update", "delete", "other")
    ]
    wanted += [
        ("messages_total", {"type": type_}) for type_ in ("text", "image", "video", "audio", "file", "poll")
    ]
    wanted += [
        ("calls_total", {"type": type_, "status": status})
        for type_ in ("audio", "video")
        for status in ("ended", "missed", "declined", "failed")
    ]
    for method in ("password", "totp", "recovery_code", "passkey", "oidc", "refresh"):
        wanted += [("auth_attempts_total", {"method": method}), ("auth_success_total", {"method": method})]
        wanted += [
            ("auth_failures_total", {"method": method, "reason": reason})
            for reason in ("invalid", "locked", "banned", "unverified", "expired", "reused", "other")
        ]
    found = scrape(metrics)
    assert [
        (name, labels) for name, labels in wanted if found.get((name, frozenset(labels.items()))) != 0
    ] == []
    assert value(metrics, "build_info", version="1.2.3") == 1


def test_histograms_have_the_documented_buckets(metrics: Metrics) -> None:
    bounds = {
        dict(labels)["le"]
        for name, labels in scrape(metrics)
        if name == "http_request_duration_seconds_bucket"
    }
    assert bounds == {
        "0.001", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf"
    }  # fmt: skip


def test_requests(metrics: Metrics) -> None:
    metrics.started()
    assert value(metrics, "http_requests_in_flight") == 1
    metrics.finished("POST", "/v1/messages", 201, 0.02)
    metrics.started()
    metrics.finished("POST", "/v1/messages", 504, 30)
    metrics.refused_early("GET", "/v1/ws/chat", 401)
    assert value(metrics, "http_requests_in_flight") == 0
    labels = {"method": "POST", "endpoint": "/v1/messages"}
    assert value(metrics, "http_requests_total", **labels, status="201") == 1
    assert value(metrics, "http_request_duration_seconds_count", **labels) == 2
    assert value(metrics, "http_request_timeouts_total", endpoint="/v1/messages") == 1
    assert value(metrics, "http_requests_total", method="GET", endpoint="/v1/ws/chat", status="401") == 1


def test_invented_methods_and_codes_make_no_series(metrics: Metrics) -> None:
    for number in range(50):
        metrics.started()
        metrics.finished(f"METHOD{number}", "unmatched", 405, 0)
        metrics.closed("chat", 3000 + number)
    assert value(metrics, "http_requests_total", method="other", endpoint="unmatched", status="405") == 50
    assert value(metrics, "websocket_disconnections_total", kind="chat", code="other") == 50
    metrics.closed("chat", 4008)
    assert value(metrics, "websocket_disconnections_total", kind="chat", code="4008") == 1


def test_attempts_are_successes_and_failures(metrics: Metrics) -> None:
    metrics.authenticated("password")
    metrics.authentication_failed("password", "invalid")
    metrics.authentication_failed("refresh", "reused")
    assert value(metrics, "auth_attempts_total", method="password") == 2
    assert value(metrics, "auth_success_total", method="password") == 1
    assert value(metrics, "auth_failures_total", method="password", reason="invalid") == 1
    assert value(metrics, "auth_attempts_total", method="refresh") == 1
    assert value(metrics, "auth_success_total", method="refresh") == 0


def test_gauges_tell_the_state_of_the_moment(metrics: Metrics) -> None:
    sockets = [1, 2, 3]
    metrics.watch_sockets(lambda: len(sockets), lambda: 0, lambda: len(set(sockets)))
    metrics.watch_database(lambda: len(sockets), lambda: 1, 5)
    metrics.watch_disk(lambda: 4711)
    assert value(metrics, "websocket_connections_active", kind="chat") == 3
    sockets.clear()
    for name in ("websocket_connections", "presence_online", "db_connections_active"):
        assert value(metrics, name) == 0
    assert value(metrics, "websocket_connections_active", kind="chat") == 0
    assert value(metrics, "db_connections_max") == 5
    assert value(metrics, "data_dir_free_bytes") == 4711


def test_events_and_messages(metrics: Metrics) -> None:
    metrics.event("message_created", "text")
    metrics.event("member_added", None)
    assert value(metrics, "messages_total", type="text") == 1
    assert value(metrics, "timeline_events_total", kind="message_created") == 1
    assert value(metrics, "timeline_events_total", kind="member_added") == 1


def test_the_gauge_and_the_counter_of_sockets_live_side_by_side(metrics: Metrics) -> None:
    """Their names differ only in what the format appends to counters."""
    metrics.opened("chat")
    metrics.refused("chat", "unauthorized")
    assert value(metrics, "websocket_connections_total", kind="chat", result="accepted") == 1
    assert value(metrics, "websocket_connections_total", kind="chat", result="unauthorized") == 1
    assert value(metrics, "websocket_connections") == 0
