"""SIGHUP changes what can change live and names what cannot."""

import msgspec

from secureconnect.app.reload import Reload
from secureconnect.app.settings import Problem, Settings, SettingsError
from secureconnect.edge.http.cors import Cors
from secureconnect.edge.limits import RateLimiter
from secureconnect.infra.cache.memory import MemoryCache
from secureconnect.kit.clock import SystemClock


class _Counts:
    def limited(self, row: str, allowed: bool) -> None:
        pass


def _limiter() -> RateLimiter:
    return RateLimiter(MemoryCache(SystemClock()), {"default": 1}, _Counts(), enabled=True)


def _changed(section: str, **values: object) -> Settings:
    settings = Settings()
    return msgspec.structs.replace(
        settings, **{section: msgspec.structs.replace(getattr(settings, section), **values)}
    )


async def test_rate_limits_and_origins_change_at_once() -> None:
    limiter, cors = _limiter(), Cors([])
    assert (await limiter.hit("row", "a", write=True)).allowed  # type: ignore[union-attr]
    assert not (await limiter.hit("row", "a", write=True)).allowed  # type: ignore[union-attr]

    fresh = _changed("http", allowed_origins=("https://app.test",))
    Reload(lambda: fresh, Settings(), limiter=limiter, cors=cors, tls=None)()

    assert (await limiter.hit("row", "a", write=True)).allowed  # type: ignore[union-attr]
    assert cors.allows(b"https://app.test")


async def test_faulty_settings_change_nothing() -> None:
    limiter, cors = _limiter(), Cors(["https://old.test"])

    def faulty() -> Settings:
        raise SettingsError([Problem("auth.x", "secureconnect.toml:1", "there is no such setting")])

    Reload(faulty, Settings(), limiter=limiter, cors=cors, tls=None)()
    assert cors.allows(b"https://old.test")
    await limiter.hit("row", "a", write=True)
    assert not (await limiter.hit("row", "a", write=True)).allowed  # type: ignore[union-attr]


def test_what_needs_a_restart_is_named() -> None:
    from secureconnect.app.reload import _needs_restart

    assert _needs_restart(Settings(), _changed("auth", access_ttl=60)) == ["auth.access_ttl"]
    assert _needs_restart(Settings(), _changed("rate_limits", login=1)) == []
    assert _needs_restart(Settings(), _changed("observability", log_level="debug")) == []
