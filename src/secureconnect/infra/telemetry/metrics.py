"""Metrics in Prometheus text format (docs/reference/metrics.md).

No label ever holds an id, an address or text from outside. All label values of the required metrics exist
from the start, so that a scrape before the first request already shows every name.
"""

from collections.abc import Awaitable, Callable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from secureconnect.infra.telemetry import tracing
from secureconnect.infra.telemetry.call_metrics import CallMetrics
from secureconnect.infra.telemetry.constant_labels import WithConstants
from secureconnect.infra.telemetry.file_metrics import FileMetrics
from secureconnect.infra.telemetry.gateway_metrics import GatewayMetrics
from secureconnect.infra.telemetry.media_metrics import MediaMetrics
from secureconnect.infra.telemetry.operation_metrics import OperationMetrics
from secureconnect.infra.telemetry.redis_metrics import RedisMetrics
from secureconnect.infra.telemetry.timeline_metrics import TimelineStoreMetrics

__all__ = ["Metrics"]

_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SOCKET_KINDS = ("chat", "signaling")
_MESSAGE_TYPES = ("text", "image", "video", "audio", "file", "poll")
_AUTH_METHODS = ("password", "totp", "recovery_code", "passkey", "oidc", "refresh")
_AUTH_REASONS = ("invalid", "locked", "banned", "unverified", "expired", "reused", "other")


class Metrics:
    """All metrics of one process. Other modules see narrow protocols of this class."""

    def __init__(self, service: str, version: str, *, worker: int | None = None) -> None:  # noqa: PLR0915 - one line per metric
        self._constant = {"service": service} | ({} if worker is None else {"worker": str(worker)})
        #: The exposition of all processes on this port.
        self.whole: Callable[[], Awaitable[bytes]] = self._alone
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(name, text, labels, buckets=_BUCKETS, registry=registry)

        self._requests = counter(
            "http_requests", "Finished requests, refusals included.", "method", "endpoint", "status"
        )
        self._request_seconds = histogram(
            "http_request_duration_seconds", "Whole request.", "method", "endpoint"
        )
        self._in_flight = gauge("http_requests_in_flight", "Requests being answered.")
        self._request_timeouts = counter(
            "http_request_timeouts", "Requests without a result in time.", "endpoint"
        )
        self._limited = counter("rate_limit", "Hits on rate limits.", "row", "result")
        self._sockets = gauge("websocket_connections_active", "Open sockets of this process.", "kind")
        self._sockets_all = gauge("websocket_connections", "Open sockets of this process, all kinds.")
        # The gauge and the counter differ only in the suffix `_total`, which one registry takes for a clash.
        openings = CollectorRegistry()
        self._socket_opens = Counter(
            "websocket_connections", "Upgrades by outcome.", ("kind", "result"), registry=openings
        )
        self._socket_closes = counter("websocket_disconnections", "Closed sockets.", "kind", "code")
        self._socket_frames = counter("websocket_messages", "Frames.", "kind", "direction")
        self._commands = counter("websocket_commands", "Commands.", "type", "result")
        self._resumes = counter("websocket_resume", "Conversations resumed.", "result")
        self._overflows = counter("websocket_overflow", "Sockets closed for not keeping up.")
        self._delivery = histogram("message_delivery_duration_seconds", "From commit to socket write.")
        self._db_active = gauge("db_connections_active", "Relational connections in use.")
        self._db_idle = gauge("db_connections_idle", "Relational connections not in use.")
        self._db_max = gauge("db_connections_max", "Relational connections at most.")
        self._db_acquire = histogram(
            "db_connection_acquire_duration_seconds", "Waiting for a relational connection."
        )
        self._db_acquire_timeouts = counter(
            "db_connection_acquire_timeouts", "Work given up because no connection came free."
        )
        self._commits = counter("db_commits", "Synced commits; each carries all work that waited.")
        self._commit_works = counter("db_commit_works", "Units of work in those commits.")
        self._commit_seconds = histogram("db_commit_duration_seconds", "One synced commit.")
        self._append_seconds = histogram(
            "timeline_append_duration_seconds", "From the wish to append to the synced commit."
        )
        self._db_seconds = histogram(
            "db_query_duration_seconds", "Relational statements.", "operation", "table"
        )
        self._db_errors = counter("db_query_errors", "Failed relational statements.", "operation", "kind")
        self._db_retries = counter(
            "db_retries", "Units of work that ran again after a serialization failure."
        )
        self._db_shed = counter("db_pool_shed", "Requests refused because the pool was nearly in use.")
        self._messages = counter("messages", "Committed messages and polls.", "type")
        self._events = counter("timeline_events", "Committed events.", "kind")
        self._notifications = counter("notifications", "Entries of inboxes.", "type")
        self._polls = counter("polls", "Polls asked.", "poll_type")
        self._poll_votes = counter("poll_votes", "Votes given, changed or withdrawn.")
        self._append_failures = counter("timeline_append_failures", "Appends that failed.", "reason")
        self._auth_attempts = counter("auth_attempts", "Authentication attempts.", "method")
        self._auth_success = counter("auth_success", "Successful authentications.", "method")
        self._auth_failures = counter("auth_failures", "Failed authentications.", "method", "reason")
        self._locked = counter("auth_account_locked", "Accounts locked.")
        self._reuse = counter("auth_refresh_reuse", "Refresh tokens used twice.")
        self._revocations = counter("auth_revocations", "Revoked sessions.", "reason")
        self._hash_wait = histogram("auth_hash_wait_seconds", "Waiting for the password hasher.")
        self._denied = counter("permission_denied", "Refused access.", "resource")
        self._audit = counter("audit_events", "Audit records.", "event", "result")
        self._presence = gauge("presence_online", "Users with an open socket on this process.")
        self._emails = counter("emails", "Mails that came to an end.", "kind", "result")
        self._pushes = counter(
            "push_notifications", "Pushes that came to an end.", "provider", "kind", "result"
        )
        self._outbox_pending = gauge("outbox_pending", "Durable jobs that wait.", "kind")
        self._outbox_age = gauge(
            "outbox_oldest_age_seconds", "How long ago the first waiting job was due.", "kind"
        )
        self._object_requests = counter(
            "object_store_requests", "Requests to the object store.", "operation", "status"
        )
        self._object_seconds = histogram(
            "object_store_request_duration_seconds",
            "Requests to the object store; `upload` lasts as long as the client sends.",
            "operation",
        )
        self._jobs = counter("job_runs", "Background jobs.", "job", "result")
        self._job_seconds = histogram("job_duration_seconds", "Background jobs.", "job")
        self._up = gauge("dependency_up", "1 when the dependency answers.", "dependency")
        self._breakers = gauge(
            "circuit_breaker_state", "Of the dependency: 0 closed, 1 half-open, 2 open.", "dependency"
        )
        self._lag = histogram("event_loop_lag_seconds", "How late a timer of the event loop fires.")
        self._free = gauge("data_dir_free_bytes", "Free space where the data lives.")
        #: What operators look at besides.
        self.operations = OperationMetrics(registry)
        #: Redis, and what travels over it.
        self.redis = RedisMetrics(
            registry,
            _BUCKETS,
            breaker=self.breaker,
            dependency=lambda name, up: self.dependency(name, up=up),
        )
        #: Calls and their signaling.
        self.calls = CallMetrics(registry)
        #: What happens to files.
        self.files = FileMetrics(registry)
        #: What is asked of Cassandra.
        self.timeline = TimelineStoreMetrics(registry)
        self.gateway = GatewayMetrics(registry)
        #: What is asked of the servers that carry media.
        self.media = MediaMetrics(registry)
        gauge("build_info", "Version of the running program.", "version").labels(version).set(1)
        self.registries = (registry, openings)
        # Finding a child by its labels costs more than counting. The labels of these come from closed lists.
        self._frames_child = cache(self._socket_frames.labels)
        self._command_child = cache(self._commands.labels)
        self._event_child = cache(self._events.labels)
        self._message_child = cache(self._messages.labels)
        self._statement_child = cache(self._db_seconds.labels)
        self._limit_child = cache(self._limited.labels)
        self._request_children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._zero()

    def _zero(self) -> None:
        """Make every label value of the required metrics exist."""
        self._requests.labels("GET", "unmatched", "404")
        self._request_seconds.labels("GET", "unmatched")
        for kind in _SOCKET_KINDS:
            self._sockets.labels(kind)
        for operation in ("select", "insert", "update", "delete", "other"):
            self._db_seconds.labels(operation, "other")
        for message_type in _MESSAGE_TYPES:
            self._messages.labels(message_type)
        for method in _AUTH_METHODS:
            self._auth_attempts.labels(method)
            self._auth_success.labels(method)
            for reason in _AUTH_REASONS:
                self._auth_failures.labels(method, reason)

    def exposition(self) -> bytes:
        """The text of `/metrics`, every sample with the label `service`."""
        return generate_latest(WithConstants(self.registries, self._constant))

    async def _alone(self) -> bytes:
        return self.exposition()

    # HTTP

    def started(self) -> None:
        self._in_flight.inc()

    def finished(self, method: str, endpoint: str, status: int, seconds: float) -> None:
        key = (method, endpoint, status)
        children = self._request_children.get(key)
        if children is None:
            verb = method if method in _METHODS else "other"
            children = (
                self._requests.labels(verb, endpoint, str(status)),
                self._request_seconds.labels(verb, endpoint),
            )
            if method in _METHODS:
                self._request_children[key] = children
        children[0].inc()
        children[1].observe(seconds)
        self._in_flight.dec()
        if status == 504:
            self._request_timeouts.labels(endpoint).inc()

    def refused_early(self, method: str, endpoint: str, status: int) -> None:
        """A request that was answered before it reached the application."""
        self._requests.labels(method, endpoint, str(status)).inc()

    def limited(self, row: str, allowed: bool) -> None:
        self._limit_child(row, "allowed" if allowed else "blocked").inc()

    # Sockets

    def watch_sockets(
        self, chat: Callable[[], int], signaling: Callable[[], int], online_users: Callable[[], int]
    ) -> None:
        """Compute the socket gauges from the state itself, so that they always return to 0."""
        self._sockets.labels("chat").set_function(chat)
        self._sockets.labels("signaling").set_function(signaling)
        self._sockets_all.set_function(lambda: chat() + signaling())
        self._presence.set_function(online_users)

    def opened(self, kind: str) -> None:
        self._socket_opens.labels(kind, "accepted").inc()

    def refused(self, kind: str, result: str) -> None:
        self._socket_opens.labels(kind, result).inc()

    def closed(self, kind: str, code: int) -> None:
        self._socket_closes.labels(kind, str(code) if code in _CLOSE_CODES else "other").inc()

    def messages(self, kind: str, direction: str, count: int) -> None:
        self._frames_child(kind, direction).inc(count)

    def command(self, type_: str, *, ok: bool) -> None:
        self._command_child(type_, "ok" if ok else "error").inc()

    def resumed(self, *, recovered: bool) -> None:
        self._resumes.labels("recovered" if recovered else "refused").inc()

    def overflow(self) -> None:
        self._overflows.inc()

    def delivered(self, seconds: float) -> None:
        self._delivery.observe(seconds)

    def caught_up(self, events: int) -> None:
        self.redis.caught_up(events)

    # Stores

    def watch_database(self, in_use: Callable[[], int], idle: Callable[[], int], limit: int) -> None:
        """Compute the connection gauges from the state itself."""
        self._db_active.set_function(in_use)
        self._db_idle.set_function(idle)
        self._db_max.set(limit)

    def query(self, operation: str, table: str, seconds: float) -> None:
        self._statement_child(operation, table).observe(seconds)
        tracing.statement(operation, table, seconds)

    def query_failed(self, operation: str, kind: str) -> None:
        self._db_errors.labels(operation, kind).inc()

    def acquired(self, seconds: float) -> None:
        self._db_acquire.observe(seconds)

    def acquire_timed_out(self) -> None:
        self._db_acquire_timeouts.inc()

    def committed(self, works: int, seconds: float) -> None:
        self._commit_works.inc(works)
        self._commits.inc()
        self._commit_seconds.observe(seconds)

    def retried(self) -> None:
        self._db_retries.inc()

    def pool_shed(self) -> None:
        self._db_shed.inc()

    def appended(self, seconds: float) -> None:
        self._append_seconds.observe(seconds)
        tracing.record("timeline.append", "internal", seconds)

    def event(self, kind: str, message_type: str | None) -> None:
        """One committed event."""
        self._event_child(kind).inc()
        if message_type is not None:
            self._message_child(message_type).inc()

    def append_failed(self, reason: str) -> None:
        self._append_failures.labels(reason).inc()

    def notified(self, type_: str) -> None:
        self._notifications.labels(type_).inc()

    def poll_created(self, poll_type: str) -> None:
        self._polls.labels(poll_type).inc()

    def poll_voted(self) -> None:
        self._poll_votes.inc()

    def object_store(self, operation: str, *, ok: bool, seconds: float) -> None:
        self._object_requests.labels(operation, "ok" if ok else "error").inc()
        self._object_seconds.labels(operation).observe(seconds)
        tracing.record(f"object_store.{operation}", "client", seconds, failed=not ok)

    # Accounts

    def authenticated(self, method: str) -> None:
        self._auth_attempts.labels(method).inc()
        self._auth_success.labels(method).inc()

    def authentication_failed(self, method: str, reason: str) -> None:
        self._auth_attempts.labels(method).inc()
        self._auth_failures.labels(method, reason).inc()

    def account_locked(self) -> None:
        self._locked.inc()

    def refresh_reused(self) -> None:
        self._reuse.inc()

    def sessions_active(self, count: int) -> None:
        self.operations.sessions(count)

    def revoked(self, reason: str, count: int) -> None:
        self._revocations.labels(reason).inc(count)

    def hash_waited(self, seconds: float) -> None:
        self._hash_wait.observe(seconds)

    def denied(self, resource: str) -> None:
        self._denied.labels(resource).inc()

    def audited(self, event: str, result: str) -> None:
        self._audit.labels(event, result).inc()

    # The process

    def expect_job(self, name: str) -> None:
        """A job will run: its series are there from the start."""
        for result in ("ok", "error"):
            self._jobs.labels(name, result)
        self._job_seconds.labels(name)

    def job(self, name: str, result: str, seconds: float) -> None:
        self._jobs.labels(name, result).inc()
        self._job_seconds.labels(name).observe(seconds)

    def emailed(self, kind: str, result: str) -> None:
        self._emails.labels(kind, result).inc()

    def pushed(self, provider: str, kind: str, result: str) -> None:
        self._pushes.labels(provider, kind, result).inc()

    def outbox(self, kind: str, pending: int, oldest_age: float) -> None:
        self._outbox_pending.labels(kind).set(pending)
        self._outbox_age.labels(kind).set(oldest_age)

    def dependency(self, name: str, *, up: bool) -> None:
        self._up.labels(name).set(1 if up else 0)

    def breaker(self, dependency: str, state: int) -> None:
        self._breakers.labels(dependency).set(state)

    def loop_lag(self, seconds: float) -> None:
        self._lag.observe(seconds)

    def watch_disk(self, free_bytes: Callable[[], int]) -> None:
        self._free.set_function(free_bytes)


_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_CLOSE_CODES = {1000, 1001, 1002, 1006, 1007, 1009, 1011, 1012, 1013} | {
    4001, 4002, 4003, 4004, 4005, 4006, 4007, 4008, 4009, 4010, 4500, 4501, 4503, 4504, 4529
}  # fmt: skip
