"""What lies outside: mail, pushes, media servers, and our own address."""

import ssl
from collections.abc import Sequence

import httpx

from secureconnect import __version__
from secureconnect.app.doctor.base import Check, Finding, failed, fine, warned
from secureconnect.app.settings import Settings
from secureconnect.app.wiring.mail import mail_transport
from secureconnect.app.wiring.media import ice_servers, sfu
from secureconnect.infra.mail.base import MailDelayed
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import SystemClock

__all__ = ["outside_checks"]

_TIMEOUT = 10.0


def outside_checks(settings: Settings) -> list[Check]:
    """What people reach us by, and what we reach people by."""
    return [
        Check("mail", lambda: _mail(settings), "Check mail.host, mail.port, mail.tls and the password."),
        Check("push", lambda: _push(settings), "Check the credentials in the section push."),
        Check("turn", lambda: _turn(settings), "Check turn.urls and turn.secret."),
        Check("sfu", lambda: _sfu(settings), "Check sfu.livekit_url, its key and its secret."),
        Check(
            "public address", lambda: _address(settings), "Check server.public_url and the proxy in front."
        ),
    ]


async def _mail(settings: Settings) -> Sequence[Finding]:
    given = settings.mail
    if given.backend == "file":
        if settings.production:
            return warned("mail", "is written to files and reaches nobody", "Set mail.backend=smtp.")
        return fine("mail", f"is written to {settings.data_dir / 'mail'}")
    try:
        seconds = await mail_transport(settings).ping()
    except MailDelayed as error:
        return failed(
            "mail",
            f"{given.host}:{given.port}: {error.reason}",
            "Check mail.host, mail.port and mail.tls, and mail.username with mail.password.",
        )
    return fine("mail", f"{given.host}:{given.port} lets us in, in {seconds or 0:.2f} s")


async def _push(settings: Settings) -> Sequence[Finding]:
    """Providers say nothing without a push; the account of FCM can be asked for a token."""
    push, found = settings.push, list[Finding]()
    if push.fcm_credentials:
        from secureconnect.infra.push.base import PushDelayed
        from secureconnect.infra.push.fcm_account import read_account
        from secureconnect.infra.push.fcm_tokens import AccessTokens

        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
                await AccessTokens(read_account(push.fcm_credentials), client, SystemClock()).get()
        except PushDelayed as error:
            found += failed("push to FCM", error.reason, "Check push.fcm_credentials and the way out.")
        else:
            found += fine("push to FCM", "the account gives tokens")
    if push.apns_key:
        from secureconnect.infra.push.pem import read_p256

        read_p256(push.apns_key)
        found += fine("push to APNs", "the key can be read; Apple says more only with a push")
    return found or fine("push", "browsers only; pushes to apps go to a file")


async def _turn(settings: Settings) -> Sequence[Finding]:
    """Every URL that clients get, tried as they would, with fresh credentials."""
    if not settings.turn.urls and not settings.turn.stun_urls:
        return warned(
            "turn", "no servers: calls do not get through every NAT", "Set turn.urls and turn.secret."
        )
    from secureconnect.infra.turn.probe import probe_ice_servers

    clock = SystemClock()
    grant = ice_servers(settings, Metrics("doctor", __version__)).for_user("doctor", clock.now())
    fix = "Check that it runs, its ports in the firewall, and turn.secret against its static-auth-secret."
    found: list[Finding] = []
    for seen in await probe_ice_servers(grant.servers):
        if seen.fault is None:
            found += fine("turn", f"{seen.url} works")
        else:
            found += failed("turn", f"{seen.url}: {seen.fault}", fix)
    return found


async def _sfu(settings: Settings) -> Sequence[Finding]:
    from secureconnect.infra.sfu.base import SfuUnavailable

    server = sfu(settings, Metrics("doctor", __version__), SystemClock())
    try:
        seconds = await server.ping()
    except SfuUnavailable as error:
        return failed(
            "sfu",
            f"{settings.sfu.livekit_url}: {error}",
            "Check that LiveKit runs, and sfu.livekit_api_key with its secret.",
        )
    finally:
        await server.close()
    if seconds is None:
        return fine("sfu", "none; calls are for four at most")
    return fine("sfu", f"{settings.sfu.livekit_url} answers in {seconds:.3f} s")


async def _address(settings: Settings) -> Sequence[Finding]:
    url = settings.server.public_url
    fix = "Start the server; then check server.public_url, its name in DNS, and the proxy in front."
    try:
        verify = ssl.create_default_context() if url.startswith("https://") else False
        async with httpx.AsyncClient(timeout=_TIMEOUT, verify=verify) as client:
            answer = await client.get(f"{url.rstrip('/')}/livez")
    except httpx.ConnectError as error:
        if "CERTIFICATE" in str(error).upper():
            return failed(
                "public address", f"{url}: its certificate is refused: {error}", "Renew or complete it."
            )
        return warned("public address", f"nobody answers at {url}", fix)
    except httpx.TransportError as error:
        return warned("public address", f"{type(error).__name__} at {url}", fix)
    if answer.status_code != 200:
        return warned("public address", f"{url}/livez is answered with {answer.status_code}", fix)
    return fine("public address", f"{url} leads to a server of ours")
