"""SIGHUP: settings that can change while the server runs (docs/reference/operations.md §5)."""

import ssl
from collections.abc import Callable

import msgspec

from secureconnect.app.settings import Settings, SettingsError
from secureconnect.edge.http.cors import Cors
from secureconnect.edge.limits import RateLimiter
from secureconnect.infra.telemetry import log as logs

__all__ = ["Reload"]

log = logs.get_logger()

#: Settings that take effect at once; a change of any other needs a restart.
_LIVE = {
    ("observability", "log_level"),
    ("http", "allowed_origins"),
    ("server", "tls_cert_file"),
    ("server", "tls_key_file"),
}


class Reload:
    """Reads the settings again and applies what can change live.

    Args:
        read: the settings as they stand now; raises SettingsError.
        settings: those the server started with.
        tls: the context of the listening socket, when it serves TLS.
    """

    def __init__(
        self,
        read: Callable[[], Settings],
        settings: Settings,
        *,
        limiter: RateLimiter,
        cors: Cors,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._read = read
        self._settings = settings
        self._limiter = limiter
        self._cors = cors
        self._tls = tls

    def __call__(self) -> None:
        """Apply changes. Faulty settings change nothing and are logged; the server goes on."""
        try:
            fresh = self._read()
            if self._tls is not None:
                self._tls.load_cert_chain(fresh.server.tls_cert_file, fresh.server.tls_key_file)
        except (SettingsError, OSError, ssl.SSLError) as error:
            log.error("settings were not reloaded", reason=str(error))  # noqa: TRY400 - the reason says it all
            return
        logs.set_level(fresh.observability.log_level)
        self._limiter.replace(fresh.rate_limits.rows(), enabled=fresh.rate_limits.enabled)
        self._cors.replace(fresh.http.allowed_origins)
        waiting = _needs_restart(self._settings, fresh)
        if waiting:
            log.warning("settings changed that need a restart", settings=waiting)
        log.info("settings reloaded")


def _needs_restart(old: Settings, new: Settings) -> list[str]:
    changed = []
    for section in msgspec.structs.fields(Settings):
        if section.name == "rate_limits":
            continue
        before, after = getattr(old, section.name), getattr(new, section.name)
        changed += [
            f"{section.name}.{field.encode_name}"
            for field in msgspec.structs.fields(type(before))
            if getattr(before, field.name) != getattr(after, field.name)
            and (section.name, field.name) not in _LIVE
        ]
    return changed
