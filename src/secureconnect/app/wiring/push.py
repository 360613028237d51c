"""Pushes: the providers that the settings name, and the services that feed them."""

from msgspec import Struct

from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.edge.module import Module
from secureconnect.features.audit.api import Audit
from secureconnect.features.conversations.service import Badges
from secureconnect.features.push.api import Provider
from secureconnect.features.push.module import module
from secureconnect.features.push.rules import PushLimits
from secureconnect.features.push.service import Deliverer, Devices, PushQueue, Receipts
from secureconnect.features.push.service.queueing import LoggedIn
from secureconnect.features.push.service.secrecy import Vault
from secureconnect.infra.push.base import PushTransport
from secureconnect.infra.push.destinations import Destinations
from secureconnect.infra.push.fcm_account import read_account
from secureconnect.infra.push.file import FilePush
from secureconnect.infra.push.pem import read_p256
from secureconnect.infra.push.vapid import Vapid, scalar_key
from secureconnect.infra.push.webpush import WebPush

__all__ = ["PushParts", "wire_push"]


class PushParts(Struct, frozen=True):
    """What others stand on, and the module."""

    devices: Devices
    queue: PushQueue
    deliverer: Deliverer
    module: Module


def wire_push(settings: Settings, stores: Stores, sessions: LoggedIn, audit: Audit) -> PushParts:
    """The services, with their handler in the outbox."""
    push, database, clock = settings.push, stores.database, stores.clock
    vapid = Vapid(scalar_key(stores.vapid_key), _subject(settings), clock)
    transports = _transports(settings, stores, vapid)
    limits = PushLimits(
        push.max_tokens,
        push.max_age,
        settings.retention.push_token_days,
        settings.retention.push_delivery_days,
    )
    vault = Vault(stores.sealer.seal, stores.sealer.open)
    devices = Devices(database, vault, transports, clock, limits)
    queue = PushQueue(database, stores.outbox, vault, sessions, clock, limits)
    badges = Badges(database, stores.timeline, unread_cap=settings.messaging.unread_cap)
    deliverer = Deliverer(database, stores.outbox, vault, transports, badges, audit, stores.metrics, clock)
    return PushParts(
        devices,
        queue,
        deliverer,
        module(
            devices=devices,
            queue=queue,
            deliverer=deliverer,
            receipts=Receipts(database, clock, limits),
            cursors=stores.cursors,
            public_key=vapid.public_key,
        ),
    )


def _transports(settings: Settings, stores: Stores, vapid: Vapid) -> dict[Provider, PushTransport]:
    """Web Push always; the others as they are configured, or both into a file while neither is."""
    push, clock = settings.push, stores.clock
    found: dict[Provider, PushTransport] = {
        "webpush": WebPush(
            vapid,
            Destinations(allow_private=push.allow_private_endpoints),
            clock,
            allow_http=not settings.production,
        )
    }
    # What only these need takes time to load.
    if push.fcm_credentials:
        from secureconnect.infra.push.fcm import Fcm

        found["fcm"] = Fcm(read_account(push.fcm_credentials), clock)
    if push.apns_key:
        from secureconnect.infra.push.apns import Apns
        from secureconnect.infra.push.apns_tokens import ProviderTokens

        tokens = ProviderTokens(read_p256(push.apns_key), push.apns_key_id, push.apns_team_id, clock)
        found["apns"] = Apns(tokens, push.apns_bundle_id, clock, production=push.apns_production)
    if len(found) == 1:
        found["fcm"] = found["apns"] = FilePush(settings.data_dir / "push.jsonl")
    return found


def _subject(settings: Settings) -> str:
    url = settings.server.public_url
    return settings.push.vapid_subject or (url if url.startswith("https://") else "")
