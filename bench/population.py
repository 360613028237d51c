"""Accounts that are logged in, put into a data directory while no server runs on it.

Ten thousand registrations would cost ten thousand password hashes, which is not what is measured here: the
accounts get none and the sessions start as a login starts them, through the product's own code.
"""

import asyncio
import os
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from secureconnect.app.data_dir import open_data_dir
from secureconnect.app.settings import Settings
from secureconnect.app.settings.load import load
from secureconnect.app.stores import Stores, open_stores
from secureconnect.features.audit.service import AuditService
from secureconnect.features.sessions.service import KeyRing, SessionLimits, SessionService
from secureconnect.features.users import store as users
from secureconnect.features.users.api import NewUser, Status
from secureconnect.features.users.service import UserService
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import RequestContext

__all__ = ["Account", "populate"]

_CHUNK = 500
_CONTEXT = RequestContext("bench", "127.0.0.1", "bench")


class _Nobody:
    """Nobody is online yet, and nobody has a second factor."""

    async def visible(self, viewer_id: str, user_ids: Collection[str]) -> Mapping[str, Status]:
        return {}

    async def having(self, user_ids: Collection[str]) -> set[str]:
        return set()


class Account(NamedTuple):
    """A user and a valid access token."""

    user_id: str
    token: str


def populate(data_dir: Path, environment: Mapping[str, str], count: int) -> list[Account]:
    """Create `count` accounts in `data_dir`, each with one session."""
    return asyncio.run(_populate(data_dir, environment, count))


async def _populate(data_dir: Path, environment: Mapping[str, str], count: int) -> list[Account]:
    settings = load(environ={**os.environ, **environment}, flags={"--data-dir": str(data_dir)}).settings
    directory, clock = open_data_dir(settings), SystemClock()
    with directory.lock():
        async with open_stores(settings, directory, clock, Metrics("bench", "0")) as stores:
            sessions = await _sessions(settings, stores)

            def create(tx: WriteTx, first: int, last: int) -> list[Account]:
                made = []
                for number in range(first, last):
                    now, user_id, name = clock.now(), new_id(), f"bench{number}"
                    users.insert_user(
                        tx, NewUser(user_id, f"{name}@example.org", name, "!", f"Bench {number}", "user", now)
                    )
                    tokens = sessions.start_in(tx, user_id, "user", _CONTEXT, device_name=None, now=now)
                    made.append(Account(user_id, tokens.access_token))
                return made

            accounts: list[Account] = []
            while (first := len(accounts)) < count:
                last = min(first + _CHUNK, count)
                accounts += await stores.database.write(partial(create, first=first, last=last))
    return accounts


async def _sessions(settings: Settings, stores: Stores) -> SessionService:
    database, bus, clock, metrics, auth = (
        stores.database,
        stores.bus,
        stores.clock,
        stores.metrics,
        settings.auth,
    )
    audit = AuditService(database, metrics, clock, retention_days=1)
    keyring = KeyRing(
        database, stores.sealer, clock, rotation_days=auth.key_rotation_days, access_ttl=auth.access_ttl
    )
    await keyring.load()
    limits = SessionLimits(auth.access_ttl, auth.refresh_ttl, auth.max_sessions, auth.issuer)
    return SessionService(
        database,
        bus,
        keyring,
        UserService(database, bus, audit, clock, _Nobody(), _Nobody(), allow_http=True),
        audit,
        metrics,
        clock,
        limits,
    )
