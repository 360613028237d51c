"""The settings of SecureConnect on the servers of this package."""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from stack.cassandra import Cassandra
from stack.seaweed import Seaweed

__all__ = ["ROLES", "Keys", "gateway_settings", "store_settings", "timeline_settings"]

Sections = dict[str, dict[str, Any]]

#: The roles behind the gateway.
ROLES = ("auth", "chat", "video", "storage")


def _word() -> str:
    return secrets.token_urlsafe(32)


def _vapid_key() -> str:
    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()


@dataclass(frozen=True)
class Keys:
    """Secrets of one installation; new ones each time, in memory and in the environment of its processes."""

    master: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())
    vapid: str = field(default_factory=_vapid_key)
    turn: str = field(default_factory=_word)
    postgres: str = field(default_factory=_word)
    valkey: str = field(default_factory=_word)
    metrics: str = field(default_factory=_word)
    store_access: str = field(default_factory=lambda: secrets.token_hex(10))
    store_secret: str = field(default_factory=_word)


def store_settings(keys: Keys, *, database: str, redis: str, store: Seaweed, bucket: str) -> Sections:
    """Settings of every process that stands on these stores, given by their URLs."""
    return {
        "server": {"host": "127.0.0.1"},
        "secrets": {"master_key": keys.master},
        "database": {"url": database},
        "redis": {"url": redis},
        "object_store": {
            "backend": "s3",
            "endpoint": store.endpoint,
            "public_endpoint": store.endpoint,
            "bucket": bucket,
            "access_key": store.access_key,
            "secret_key": store.secret_key,
        },
        "push": {"vapid_private_key": keys.vapid},
    }


def timeline_settings(server: Cassandra, keyspace: str) -> dict[str, Any]:
    """Settings of a timeline on this node."""
    return {
        "backend": "cassandra",
        "hosts": json.dumps(["127.0.0.1"]),
        "port": server.port,
        "keyspace": keyspace,
        "local_dc": server.datacenter,
        "replication_factor": 1,
    }


def gateway_settings(addresses: Mapping[str, Sequence[str]]) -> Sections:
    """Settings of a gateway in front of roles at these URLs."""
    return {"gateway": {f"{role}_url": json.dumps(list(urls)) for role, urls in addresses.items()}}
