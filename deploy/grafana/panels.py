"""Writes dashboards/secureconnect.json: `python deploy/grafana/panels.py`. A test compares the two."""

import json
import re
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "dashboards" / "secureconnect.json"

Query = tuple[str, str]  # PromQL or LogQL, and what its lines are called
Panel = tuple[str, str, list[Query]]  # title, unit, queries


def rate(name: str, by: str = "service", labels: str = "") -> str:
    """Events per second."""
    return f"sum by ({by}) (rate({name}{labels}[5m]))"


def quantile(share: float, name: str, by: str = "service") -> str:
    """Seconds that this share stays below."""
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({name}_bucket[5m])))"


def share(name: str, labels: str) -> str:
    """The part of all events that has these labels, 0 when none has."""
    of, whole = rate(name, labels=labels), rate(name)
    return f"{of} / {whole} or {whole} * 0"


ROWS: list[tuple[str, list[Panel]]] = [
    (
        "HTTP",
        [
            ("Requests", "reqps", [(rate("http_requests_total"), "{{service}}")]),
            (
                "Latency",
                "s",
                [
                    (quantile(0.95, "http_request_duration_seconds"), "p95 {{service}}"),
                    (quantile(0.99, "http_request_duration_seconds"), "p99 {{service}}"),
                ],
            ),
            (
                "Answers with 5xx",
                "percentunit",
                [
                    (
                        share("http_requests_total", '{status=~"5.."}'),
                        "{{service}}",
                    )
                ],
            ),
            ("In flight", "short", [("sum by (service) (http_requests_in_flight)", "{{service}}")]),
            (
                "Refused by rate limits and overload",
                "reqps",
                [
                    (
                        rate("rate_limit_total", "row", '{result="blocked"}') + " or vector(0)",
                        "limit {{row}}",
                    ),
                    (rate("http_requests_shed_total"), "overload {{service}}"),
                ],
            ),
        ],
    ),
    (
        "Database",
        [
            (
                "Statements",
                "s",
                [(quantile(0.95, "db_query_duration_seconds", "operation"), "p95 {{operation}}")],
            ),
            (
                "Connections",
                "short",
                [
                    ("sum by (service) (db_connections_active)", "active {{service}}"),
                    ("sum by (service) (db_connections_idle)", "idle {{service}}"),
                    ("sum by (service) (db_connections_max)", "at most {{service}}"),
                ],
            ),
            (
                "Errors",
                "short",
                [(rate("db_query_errors_total", "kind") + " or vector(0)", "{{kind}}")],
            ),
            ("Refused for want of connections", "reqps", [(rate("db_pool_shed_total"), "{{service}}")]),
        ],
    ),
    (
        "Timeline",
        [
            ("Append", "s", [(quantile(0.99, "timeline_append_duration_seconds"), "p99 {{service}}")]),
            ("Events", "short", [(rate("timeline_events_total", "kind"), "{{kind}}")]),
            ("Changes not in their logs yet", "short", [("max(timeline_intents_pending)", "intents")]),
            (
                "Cassandra",
                "s",
                [
                    (
                        quantile(0.95, "cassandra_query_duration_seconds", "operation") + " or vector(0)",
                        "p95 {{operation}}",
                    )
                ],
            ),
            (
                "Errors of Cassandra",
                "short",
                [(rate("cassandra_query_errors_total", "reason") + " or vector(0)", "{{reason}}")],
            ),
            (
                "Appends that failed",
                "short",
                [(rate("timeline_append_failures_total", "reason") + " or vector(0)", "{{reason}}")],
            ),
        ],
    ),
    (
        "Redis",
        [
            (
                "Commands",
                "s",
                [(quantile(0.95, "redis_command_duration_seconds", "command"), "p95 {{command}}")],
            ),
            ("Connections", "short", [("sum by (service) (redis_connections)", "{{service}}")]),
            (
                "Without Redis",
                "short",
                [("max by (service, instance) (redis_degraded_mode)", "{{instance}}")],
            ),
            ("Errors", "short", [(rate("redis_errors_total", "kind") + " or vector(0)", "{{kind}}")]),
        ],
    ),
    (
        "Sockets and calls",
        [
            ("Open sockets", "short", [("sum by (kind) (websocket_connections_active)", "{{kind}}")]),
            (
                "Resumed",
                "short",
                [(rate("websocket_resume_total", "result") + " or vector(0)", "{{result}}")],
            ),
            (
                "Closed",
                "short",
                [(rate("websocket_disconnections_total", "code") + " or vector(0)", "{{code}}")],
            ),
            (
                "From commit to socket",
                "s",
                [
                    (quantile(0.5, "message_delivery_duration_seconds"), "p50 {{service}}"),
                    (quantile(0.99, "message_delivery_duration_seconds"), "p99 {{service}}"),
                ],
            ),
            ("Calls", "short", [("max(calls_active)", "ringing or active")]),
            ("Rooms", "short", [("sum(video_rooms_active)", "with a signaling socket")]),
            (
                "Lost and back",
                "short",
                [
                    (rate("call_recovery_success_total"), "back {{service}}"),
                    (rate("call_recovery_failed_total"), "lost {{service}}"),
                ],
            ),
        ],
    ),
    (
        "Messages and notifications",
        [
            ("Messages", "short", [(rate("messages_total", "type"), "{{type}}")]),
            (
                "Pushes",
                "short",
                [
                    (
                        rate("push_notifications_total", "provider, result") + " or vector(0)",
                        "{{provider}} {{result}}",
                    )
                ],
            ),
            (
                "Longest wait in the outbox",
                "s",
                [("max by (kind) (outbox_oldest_age_seconds) or vector(0)", "{{kind}}")],
            ),
            ("Mails", "short", [(rate("emails_total", "result") + " or vector(0)", "{{result}}")]),
        ],
    ),
    (
        "Accounts",
        [
            ("Attempts", "short", [(rate("auth_attempts_total", "method"), "{{method}}")]),
            ("Successes", "short", [(rate("auth_success_total", "method"), "{{method}}")]),
            ("Failures", "short", [(rate("auth_failures_total", "reason"), "{{reason}}")]),
            ("Locked", "short", [(rate("auth_account_locked_total"), "{{service}}")]),
            ("Refresh tokens used twice", "short", [(rate("auth_refresh_reuse_total"), "{{service}}")]),
            ("Sessions", "short", [("max(auth_sessions_active)", "live")]),
        ],
    ),
    (
        "Files",
        [
            ("Uploads", "short", [(rate("storage_uploads_total", "result"), "{{result}}")]),
            ("Stored", "bytes", [("max(storage_bytes_stored)", "bytes")]),
            (
                "Object store",
                "s",
                [(quantile(0.95, "object_store_request_duration_seconds", "operation"), "p95 {{operation}}")],
            ),
            ("Refused", "short", [(rate("storage_upload_rejected_total", "reason"), "{{reason}}")]),
        ],
    ),
    (
        "Processes",
        [
            (
                "CPU",
                "percentunit",
                [('rate(process_cpu_seconds_total{service!=""}[5m])', "{{service}} {{instance}}")],
            ),
            (
                "Memory",
                "bytes",
                [('process_resident_memory_bytes{service!=""}', "{{service}} {{instance}}")],
            ),
            ("Loop lag", "s", [(quantile(0.99, "event_loop_lag_seconds"), "p99 {{service}}")]),
            ("Disk", "bytes", [("min by (instance) (data_dir_free_bytes)", "free {{instance}}")]),
            ("Version", "short", [("count by (version) (build_info)", "{{version}}")]),
            ("Dependencies", "short", [("min by (dependency) (dependency_up)", "{{dependency}}")]),
            (
                "Last backup",
                "s",
                [
                    (
                        "time() - max(backup_last_success_timestamp_seconds) or vector(0)",
                        "ago; 0: none is scheduled",
                    )
                ],
            ),
        ],
    ),
]

LOGS: list[Panel] = [
    ("Errors", "short", [('{service=~".+", level="error"}', "")]),
    ("Audit", "short", [('{service=~".+"} |= `"audit":true`', "")]),
]

_WIDTH, _HEIGHT, _PER_LINE = 6, 7, 4


def dashboard() -> dict[str, Any]:
    """The whole dashboard as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in [*ROWS, ("Logs", LOGS)]:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"h": 1, "w": 24, "x": 0, "y": y},
            }
        )
        y += 1
        logs = title == "Logs"
        width = 12 if logs else _WIDTH
        for number, (name, unit, queries) in enumerate(row):
            line, place = divmod(number, 24 // width)
            panels.append(
                {
                    "id": len(panels) + 1,
                    "type": "logs" if logs else "timeseries",
                    "title": name,
                    "datasource": {"type": "loki", "uid": "loki"}
                    if logs
                    else {"type": "prometheus", "uid": "prometheus"},
                    "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
                    "gridPos": {"h": _HEIGHT, "w": width, "x": place * width, "y": y + line * _HEIGHT},
                    "targets": [
                        {"refId": chr(65 + place), "expr": expr, "legendFormat": legend}
                        for place, (expr, legend) in enumerate(queries)
                    ],
                }
            )
        y += -(-len(row) // (24 // width)) * _HEIGHT
    return {
        "uid": "secureconnect",
        "title": "SecureConnect",
        "tags": ["secureconnect"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": []},
        "annotations": {"list": []},
        "panels": panels,
    }


def expressions() -> list[str]:
    """Every query to Prometheus."""
    return [expr for _, row in ROWS for _, _, queries in row for expr, _ in queries]


def names(expr: str) -> set[str]:
    """The metrics that an expression speaks of."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|without|ignoring)\s*\([^)]*\)', " ", expr)
    return set(re.findall(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b", bare)) - {"histogram_quantile"}


def text() -> str:
    """The file."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
