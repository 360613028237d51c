"""What `server.environment=production` refuses and warns about (docs/reference/operations.md §2)."""

from collections.abc import Iterator
from urllib.parse import parse_qs, unquote, urlsplit

from secureconnect.app.settings.model import SQLITE, Settings

__all__ = ["production_faults", "warnings"]

PASSWORD_MIN = 12

#: Secrets that stand in tutorials, images and examples.
KNOWN_DEFAULTS = frozenset(
    """
    admin administrator changeit changeme change-me change_me changethis cockroach default demo devkey
    devsecret example guest insecure letmein livekit master masterkey minio minioadmin minioadmin123 none
    pass password password1 password123 passw0rd postgres postgresql qwerty redis redispassword root
    rootpassword s3cr3t secret secretkey secret-key secret_key secureconnect secureconnect123 supersecret
    sysadmin system test testing token user your-password your-secret-key
    12345678 123456789 123456789012 1234567890123456
    """.split()  # noqa: SIM905 - words read better as words
)


def production_faults(settings: Settings) -> Iterator[tuple[str, str]]:
    """`section.key` and what is wrong with it."""
    if not settings.server.public_url.startswith("https://"):
        yield "server.public_url", "production needs an https address"
    if "*" in settings.http.allowed_origins:
        yield "http.allowed_origins", "production does not open to every origin (*)"
    seen: dict[str, str] = {}
    for name, secret in _secrets(settings):
        if secret.casefold() in KNOWN_DEFAULTS:
            yield name, "is a well-known default: choose a random secret"
        elif len(secret) < PASSWORD_MIN:
            yield name, f"production needs at least {PASSWORD_MIN} characters"
        if secret in seen:
            yield name, f"must differ from {seen[secret]}"
        seen.setdefault(secret, name)
    for name, url in (("database.url", settings.database.url), ("redis.url", settings.redis.url)):
        if url and not url.startswith(SQLITE) and not _password(url) and not _unix_socket(url):
            yield name, "production needs a password in it, unless it is on a Unix socket"


def warnings(settings: Settings) -> Iterator[str]:
    """What an operator should know but may want."""
    if not settings.production:
        return
    yield "all data lies on one disk of one machine: keep copies of the data directory elsewhere"
    if settings.mail.backend == "file":
        yield "mail is written to files and reaches nobody: set mail.backend=smtp"
    elif settings.mail.tls == "none":
        yield "mail goes to the server unencrypted: set mail.tls"
    if not settings.push.fcm_credentials and not settings.push.apns_key:
        yield "pushes to apps go to a file and reach nobody: set push.fcm_credentials or push.apns_key"
    if not settings.turn.urls:
        yield "calls do not get through every NAT: set turn.urls and turn.secret"
    if not settings.auth.admin_mfa_required:
        yield "a password alone makes somebody server admin: set auth.admin_mfa_required"
    if not settings.backup.schedule:
        yield "no backups are made here: set backup.schedule and backup.dir, or run `backup` from cron"
    elif not settings.backup.passphrase:
        yield "backups are readable to whoever has them: set backup.passphrase"
    observability = settings.observability
    if not observability.metrics_token and not observability.metrics_listen:
        yield "/metrics is open to everybody on the public port: set observability.metrics_token"


def _secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    found = [("secrets.master_key", settings.secrets.master_key)]
    found += [("secrets.previous_master_keys", key) for key in settings.secrets.previous_master_keys]
    found += [
        ("database.url", _password(settings.database.url)),
        ("redis.url", _password(settings.redis.url)),
        ("object_store.secret_key", settings.object_store.secret_key),
        ("mail.password", settings.mail.password),
        ("backup.passphrase", settings.backup.passphrase),
        *(("auth.oidc_providers", provider.client_secret) for provider in settings.auth.oidc_providers),
        ("push.vapid_private_key", settings.push.vapid_private_key),
        ("turn.secret", settings.turn.secret),
        ("sfu.livekit_api_key", settings.sfu.livekit_api_key),
        ("sfu.livekit_api_secret", settings.sfu.livekit_api_secret),
        ("observability.metrics_token", settings.observability.metrics_token),
    ]
    return ((name, secret) for name, secret in found if secret)


def _password(url: str) -> str:
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:
        return ""


def _unix_socket(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "unix" or parse_qs(parts.query).get("host", [""])[0].startswith("/")
