"""What settings must not say together, and what this version cannot do."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from secureconnect.app.roles import GATEWAY, ROLES
from secureconnect.app.settings.media_checks import media_faults
from secureconnect.app.settings.model import SQLITE, Settings
from secureconnect.app.settings.production import production_faults
from secureconnect.app.settings.push import PushSettings
from secureconnect.app.settings.sign_on import sign_on_faults
from secureconnect.infra.database.postgres_url import read_url
from secureconnect.kit.urls import is_web_url

__all__ = ["Fault", "check"]

MASTER_KEY_BYTES = 32
_KEYSPACE = re.compile(r"[a-z][a-z0-9_]{0,47}", re.ASCII)
_CENTRE = re.compile(r"[A-Za-z0-9_.-]{0,100}", re.ASCII)
_ORIGIN = re.compile(r"https?://[^/?#@\s]+")


class Fault(NamedTuple):
    """`key` is the `section.key` to change."""

    key: str
    message: str


def check(settings: Settings, roles: Sequence[str] = ()) -> Iterator[Fault]:
    """Every contradiction in `settings`, for `serve` with `roles`."""
    yield from _keys(settings)
    yield from _addresses(settings)
    yield from _public_address(settings)
    yield from _times(settings)
    yield from _mail(settings)
    yield from _push(settings)
    yield from (Fault(*fault) for fault in media_faults(settings.turn, settings.sfu))
    yield from _gateway(settings)
    yield from _stores(settings, roles)
    yield from _backup(settings)
    auth, development = settings.auth, not settings.production
    faults = sign_on_faults(auth.oidc_providers, auth.oidc_redirect_uris, development=development)
    yield from (Fault(*fault) for fault in faults)
    if settings.production:
        yield from (Fault(*fault) for fault in production_faults(settings))


def _keys(settings: Settings) -> Iterator[Fault]:
    named = [("secrets.master_key", key) for key in (settings.secrets.master_key,) if key]
    named += [("secrets.previous_master_keys", key) for key in settings.secrets.previous_master_keys]
    for name, key in named:
        try:
            size = len(base64.b64decode(key, validate=True))
        except (binascii.Error, ValueError):
            yield Fault(name, f"must be {MASTER_KEY_BYTES} bytes in base64")
        else:
            if size != MASTER_KEY_BYTES:
                yield Fault(name, f"must be {MASTER_KEY_BYTES} bytes in base64, not {size}")


def _addresses(settings: Settings) -> Iterator[Fault]:
    server = settings.server
    if bool(server.tls_cert_file) != bool(server.tls_key_file):
        missing = "server.tls_key_file" if server.tls_cert_file else "server.tls_cert_file"
        yield Fault(missing, "is needed too: server.tls_cert_file and server.tls_key_file go together")
    for name, path in (("tls_cert_file", server.tls_cert_file), ("tls_key_file", server.tls_key_file)):
        if path and not Path(path).is_file():
            yield Fault(f"server.{name}", f"{path} is not a file")
    for network in server.trusted_proxies:
        import ipaddress

        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield Fault("server.trusted_proxies", str(error))
    for origin in settings.http.allowed_origins:
        scheme, separator, host = origin.partition("://")
        if origin != "*" and not (separator and scheme and host and not set(host) & set("/?#*@ ")):
            yield Fault("http.allowed_origins", f"{origin!r} is not `scheme://host` or `scheme://host:port`")
    if listen := settings.observability.metrics_listen:
        port = int(listen.rpartition(":")[2])
        if port > 65_535:
            yield Fault("observability.metrics_listen", f"there is no port {port}")
        elif port and port == server.port:
            yield Fault("observability.metrics_listen", "must not be server.port")


def _public_address(settings: Settings) -> Iterator[Fault]:
    url, domain = settings.server.public_url, settings.auth.webauthn_rp_id
    if not is_web_url(url, allow_http=True):
        yield Fault("server.public_url", "must be http(s)://host[:port][/path]")
        return
    host = urlsplit(url).hostname or ""
    if domain and domain != host and not host.endswith(f".{domain}"):
        yield Fault("auth.webauthn_rp_id", "must be the host of server.public_url, or a domain above it")


def _times(settings: Settings) -> Iterator[Fault]:
    if settings.auth.refresh_ttl <= settings.auth.access_ttl:
        yield Fault("auth.refresh_ttl", "must be longer than auth.access_ttl")
    if settings.storage.multipart_ttl < settings.storage.upload_ttl:
        yield Fault("storage.multipart_ttl", "must not be shorter than storage.upload_ttl")
    if settings.realtime.idle_timeout <= settings.realtime.ping_interval:
        yield Fault("realtime.idle_timeout", "must be longer than realtime.ping_interval")


def _mail(settings: Settings) -> Iterator[Fault]:
    mail = settings.mail
    if mail.backend == "smtp" and not mail.host:
        yield Fault("mail.host", "is needed with mail.backend=smtp")
    if bool(mail.username) != bool(mail.password):
        missing = "mail.password" if mail.username else "mail.username"
        yield Fault(missing, "is needed too: mail.username and mail.password go together")


def _push(settings: Settings) -> Iterator[Fault]:
    """A provider is named with everything it needs, or not at all."""
    push = settings.push
    apns = {
        name: getattr(push, name) for name in ("apns_key", "apns_key_id", "apns_team_id", "apns_bundle_id")
    }
    if any(apns.values()):
        missing = [name for name, value in apns.items() if not value]
        yield from (Fault(f"push.{name}", "is needed too for APNs") for name in missing)
    for name, fault in _key_faults(push):
        yield Fault(f"push.{name}", fault)


def _key_faults(push: PushSettings) -> Iterator[tuple[str, str]]:
    """What is wrong with keys that were given; cryptography takes time to load."""
    readers: dict[str, Callable[[str], object]] = {}
    if push.fcm_credentials:
        from secureconnect.infra.push.fcm_account import read_account

        readers["fcm_credentials"] = read_account
    if push.apns_key:
        from secureconnect.infra.push.pem import read_p256

        readers["apns_key"] = read_p256
    if push.vapid_private_key:
        from secureconnect.infra.push.vapid import read_private_key

        readers["vapid_private_key"] = read_private_key
    for name, read in readers.items():
        try:
            read(getattr(push, name))
        except ValueError as error:
            yield name, str(error)


def _backup(settings: Settings) -> Iterator[Fault]:
    from secureconnect.kit.cron import Cron, CronFault

    given = settings.backup
    if not given.schedule:
        return
    if settings.timeline.backend == "cassandra":
        yield Fault("backup.schedule", "a timeline in Cassandra is backed up by its own means: leave it out")
    if not given.dir:
        yield Fault("backup.dir", "is needed with backup.schedule")
    try:
        Cron(given.schedule)
    except CronFault as error:
        yield Fault("backup.schedule", str(error))


def _timeline(settings: Settings) -> Iterator[Fault]:
    given = settings.timeline
    if given.backend == "cassandra" and not given.hosts:
        yield Fault("timeline.hosts", "is needed with timeline.backend cassandra: name at least one node")
    if not _KEYSPACE.fullmatch(given.keyspace):
        yield Fault("timeline.keyspace", "must be a small letter, then letters, digits and _, at most 48")
    if not _CENTRE.fullmatch(given.local_dc):
        yield Fault("timeline.local_dc", "must be the name of a data centre: letters, digits, _, . and -")
    if bool(given.username) != bool(given.password):
        missing = "password" if given.username else "username"
        yield Fault(f"timeline.{missing}", "is needed too: username and password go together")


def _gateway(settings: Settings) -> Iterator[Fault]:
    for role in ROLES:
        if role == GATEWAY:
            continue
        urls = settings.gateway.urls(role)
        if not urls:
            yield Fault(f"gateway.{role}_url", "must name one process at least")
        for url in urls:
            if not _ORIGIN.fullmatch(url):
                yield Fault(f"gateway.{role}_url", f"{url!r} is not http(s)://host[:port]")


def _stores(settings: Settings, roles: Sequence[str]) -> Iterator[Fault]:
    """Embedded stores serve one process; the gateway needs none (docs/reference/operations.md §2)."""
    embedded_sql = settings.embedded_sql
    if list(roles) == [GATEWAY]:
        return
    split = [f"`serve {' '.join(roles)}`"] if roles else []
    split += [f"{settings.server.workers} workers"] if settings.server.workers > 1 else []
    if GATEWAY in roles and len(roles) > 1:
        yield Fault("role", "the gateway is a process of its own: start it without other roles")
    if split:
        wish = " and ".join(split)
        if embedded_sql:
            yield Fault(
                "database.url", f"SQLite serves one process; {wish} needs a PostgreSQL or CockroachDB"
            )
        if not settings.redis.url:
            yield Fault("redis.url", f"the bus in memory serves one process; {wish} needs a Redis")
        if settings.object_store.backend == "local":
            yield Fault("object_store.backend", f"the local store serves one process; {wish} needs s3")
        if not settings.secrets.master_key:
            yield Fault("secrets.master_key", f"all processes of {wish} need the same one: it must be given")
    yield from _database(settings)
    yield from _timeline(settings)
    if settings.redis.url:
        yield from _redis(settings.redis.url)
    objects = settings.object_store
    if objects.backend == "s3":
        for key, value in (("access_key", objects.access_key), ("secret_key", objects.secret_key)):
            if not value:
                yield Fault(f"object_store.{key}", "is needed with object_store.backend=s3")


def _redis(url: str) -> Iterator[Fault]:
    from secureconnect.infra.redis.address import parse_address  # most processes have none

    try:
        address = parse_address(url)
    except ValueError as error:
        yield Fault("redis.url", str(error))
        return
    if address.ca_file and not Path(address.ca_file).is_file():
        yield Fault("redis.url", f"{address.ca_file} is not a file")


def _database(settings: Settings) -> Iterator[Fault]:
    database = settings.database
    if settings.embedded_sql:
        if database.url and database.url.removeprefix(SQLITE) in ("", ":memory:"):
            yield Fault("database.url", "must name a file: acknowledged messages are kept")
        return
    try:
        read_url(database.url)
    except ValueError as error:
        yield Fault("database.url", str(error))
    if database.pool_min > database.pool_max:
        yield Fault("database.pool_min", "must not be more than database.pool_max")
