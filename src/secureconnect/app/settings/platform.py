"""Sections about the process and what it stands on."""

from typing import Annotated, Literal

from secureconnect.kit.settings import Section, about

__all__ = [
    "AuditSettings",
    "DatabaseSettings",
    "HttpSettings",
    "ObjectStoreSettings",
    "ObservabilitySettings",
    "RedisSettings",
    "ResilienceSettings",
    "SecretSettings",
    "ServerSettings",
]


class ServerSettings(Section, frozen=True):
    """Where the server listens and how it starts and stops."""

    environment: Annotated[
        Literal["development", "production"],
        about("`production` refuses weak, known and shared secrets and plain `http` addresses"),
    ] = "development"
    host: Annotated[str, about("address to listen on", min_length=1)] = "127.0.0.1"
    port: Annotated[int, about("port of HTTP and sockets; 0 takes a free one", ge=0, le=65_535)] = 8080
    data_dir: Annotated[
        str, about("directory of the database, the objects and the secrets", min_length=1)
    ] = "./data"
    workers: Annotated[int, about("serving processes; embedded stores allow one", ge=1, le=64)] = 1
    public_url: Annotated[
        str,
        about(
            "address under which clients reach the server",
            default="http://localhost:<server.port>",
            pattern=r"^https?://[^/?#\s]+(/[^?#\s]*)?$",
            form="http(s)://host[:port][/path]",
        ),
    ] = "http://localhost:8080"
    trusted_proxies: Annotated[
        tuple[str, ...],
        about("networks (CIDR) whose `X-Forwarded-For` entries are believed"),
    ] = ()
    shutdown_grace: Annotated[
        float, about("time for running requests and open sockets to end", unit="s", ge=0, le=3600)
    ] = 30
    tls_cert_file: Annotated[
        str, about("certificate chain (PEM); serves TLS together with `tls_key_file`")
    ] = ""
    tls_key_file: Annotated[str, about("private key of the certificate (PEM)")] = ""


class SecretSettings(Section, frozen=True):
    """Keys of the installation."""

    master_key: Annotated[
        str,
        about(
            "32 bytes in base64; encrypts stored secrets",
            default="generated into `<data_dir>/secrets/master_key`",
            secret=True,
        ),
    ] = ""
    previous_master_keys: Annotated[
        tuple[str, ...], about("earlier master keys that still decrypt, for rotation", secret=True)
    ] = ()


class HttpSettings(Section, frozen=True):
    """Requests and browsers."""

    max_body_bytes: Annotated[int, about("largest request body", unit="bytes", ge=1024, le=67_108_864)] = (
        1_048_576
    )
    max_header_bytes: Annotated[int, about("largest request header", unit="bytes", ge=1024, le=1_048_576)] = (
        16_384
    )
    request_timeout: Annotated[
        float, about("longest time for a whole request, its body included", unit="s", gt=0, le=3600)
    ] = 30
    allowed_origins: Annotated[
        tuple[str, ...], about("browser origins that may call the API and open sockets; `*` allows all")
    ] = ()
    docs_enabled: Annotated[bool, about("serve `/openapi.json`, `/asyncapi.json` and `/docs`")] = True


class DatabaseSettings(Section, frozen=True):
    """The relational store, which holds the timeline too."""

    url: Annotated[
        str,
        about(
            "`sqlite:///path`, `postgresql://user:password@host/name` or `cockroachdb://…`, with the TLS"
            " parameters of libpq (`?sslmode=verify-full&sslrootcert=…`)",
            default="`<data_dir>/secureconnect.db`",
            secret=True,
        ),
    ] = ""
    pool_min: Annotated[int, about("connections to a server that are kept", ge=0, le=1000)] = 5
    pool_max: Annotated[int, about("connections to a server at most", ge=1, le=1000)] = 25
    pool_guard: Annotated[
        float,
        about("part of `pool_max` above which requests that can wait are refused", gt=0, le=1),
    ] = 0.8
    acquire_timeout: Annotated[
        float, about("longest wait for a connection or a turn", unit="s", gt=0, le=60)
    ] = 5
    statement_timeout: Annotated[float, about("longest run of one unit of work", unit="s", gt=0, le=600)] = 10
    auto_migrate: Annotated[bool, about("apply pending migrations at start")] = True


class RedisSettings(Section, frozen=True):
    """The bus and the cache between processes."""

    url: Annotated[
        str,
        about(
            "`redis://…`, `rediss://…`, `unix:///path`, `redis+sentinel://…/master` or `redis+cluster://…`",
            default="both in memory, for one process",
            secret=True,
        ),
    ] = ""
    timeout: Annotated[float, about("longest wait for a connection or a command", unit="s", gt=0, le=60)] = 2
    health_interval: Annotated[
        float, about("time between pings, and until one that was down is tried again", unit="s", gt=0, le=60)
    ] = 2


class ResilienceSettings(Section, frozen=True):
    """How long a dependency that does not answer is asked, and how much at a time."""

    breaker_failures: Annotated[
        int, about("failed calls in a row after which a dependency is left alone", ge=1, le=1000)
    ] = 5
    breaker_reset: Annotated[
        float, about("time until it is tried again, and between trials", unit="s", gt=0, le=60)
    ] = 2
    breaker_successes: Annotated[
        int, about("successful trials in a row after which it is trusted again", ge=1, le=100)
    ] = 2
    bulkhead: Annotated[
        int, about("operations at the same time on the object store, push and mail, each", ge=1, le=10_000)
    ] = 64


_ENDPOINT = r"^$|^https?://[^/?#@\s]+$"


class ObjectStoreSettings(Section, frozen=True):
    """Where bytes of files lie."""

    backend: Annotated[
        Literal["local", "s3"],
        about("`local` is `<data_dir>/objects/`; `s3` is S3 or a store that speaks it"),
    ] = "local"
    endpoint: Annotated[
        str,
        about(
            "where this server reaches S3",
            default="AWS of the region",
            pattern=_ENDPOINT,
            form="http(s)://host[:port]",
        ),
    ] = ""
    public_endpoint: Annotated[
        str,
        about(
            "where clients reach S3; it stands in signed URLs",
            default="`endpoint`",
            pattern=_ENDPOINT,
            form="http(s)://host[:port]",
        ),
    ] = ""
    region: Annotated[str, about("region of the bucket", min_length=1)] = "us-east-1"
    bucket: Annotated[
        str,
        about(
            "bucket; made when there is none",
            pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
            form="3 to 63 of a-z 0-9 . -",
        ),
    ] = "secureconnect"
    access_key: Annotated[str, about("access key of S3", secret=True)] = ""
    secret_key: Annotated[str, about("secret key of S3", secret=True)] = ""
    path_style: Annotated[
        bool, about("`true`: the bucket is the first part of the path; `false`: of the host name")
    ] = True
    timeout: Annotated[float, about("longest wait for an answer of the store", unit="s", gt=0, le=600)] = 10


class AuditSettings(Section, frozen=True):
    """The record of security-relevant actions."""

    retention_days: Annotated[
        int, about("records older than this are removed", unit="d", ge=1, le=36_500)
    ] = 365


class ObservabilitySettings(Section, frozen=True):
    """Logs and metrics."""

    log_level: Annotated[
        Literal["debug", "info", "warn", "error"], about("least severe lines that are written")
    ] = "info"
    log_format: Annotated[Literal["json", "text"], about("`text` is for development")] = "json"
    log_output: Annotated[
        Literal["stdout", "file"], about("`file` writes `log_file` too, rotated at 100 MiB, five kept")
    ] = "stdout"
    log_file: Annotated[str, about("path of the log file; `{service}` is replaced", min_length=1)] = (
        "/logs/{service}.log"
    )
    metrics_token: Annotated[str, about("bearer token that `/metrics` then asks for", secret=True)] = ""
    metrics_listen: Annotated[
        str,
        about(
            "`host:port` that serves `/metrics` instead of the main port",
            pattern=r"^$|^(\[[0-9a-fA-F:.]+\]|[^\s:]+):\d{1,5}$",
            form="host:port",
        ),
    ] = ""
    otlp_endpoint: Annotated[
        str,
        about(
            "collector that takes traces by OTLP over HTTP (protobuf); empty: nothing is traced",
            pattern=r"^$|^https?://[^?#@\s]+$",
            form="http(s)://host[:port]",
        ),
    ] = ""
    trace_sample_ratio: Annotated[
        float, about("share of the traces that are kept; a caller's decision is kept as it is", ge=0, le=1)
    ] = 0.1
