"""Auth, sessions and users over a real embedded store, with a clock that tests move."""

import os
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, cast

from sqlalchemy import Connection

from secureconnect.app.late import Late
from secureconnect.features.audit.api import AuditEntry
from secureconnect.features.auth.api import Entered, SecondStep
from secureconnect.features.auth.service import (
    Accounts,
    Addresses,
    AlertService,
    EntranceService,
    Lockout,
    LockoutLimits,
    Login,
    Recovery,
    ban_bar,
    verification_bar,
)
from secureconnect.features.auth.service.accounts import Verification
from secureconnect.features.factors.service import (
    Assertions,
    Challenges,
    Changes,
    Codes,
    Enrolment,
    FactorService,
    Passkeys,
    RelyingParty,
    SecondFactorService,
    Steps,
)
from secureconnect.features.mail.api import FactorChange
from secureconnect.features.oidc.service import Links
from secureconnect.features.sessions.api import Tokens
from secureconnect.features.sessions.service import (
    Access,
    KeyRing,
    OneTime,
    SessionLimits,
    SessionService,
    Tickets,
)
from secureconnect.features.users.api import FactorOwners, Status, UserRecord
from secureconnect.features.users.service import UserService
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.infra.crypto.hashing import PasswordHasher
from secureconnect.infra.crypto.sealing import Sealer
from secureconnect.infra.database.base import METADATA, WriteTx
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.kit.principal import Principal, RequestContext
from tests.unit.auth.post import HeardNotices, Post

__all__ = ["ACCESS_TTL", "HERE", "ISSUER", "ORIGIN", "PASSWORD", "Gate", "Time", "World", "at", "world"]

ACCESS_TTL = 900
ISSUER = "secureconnect-auth"
ORIGIN = "https://chat.example.test"
PASSWORD = "Violet-Kettle-42-Rain"
HERE = RequestContext("request", "198.51.100.1", "test")
_TABLES = (
    "users",
    "user_bans",
    "sessions",
    "refresh_tokens",
    "one_time_tokens",
    "signing_keys",
    "login_attempts",
    "mfa_totp",
    "mfa_recovery_codes",
    "passkeys",
    "oidc_identities",
)


def at(address: str) -> RequestContext:
    """A request from this address."""
    return RequestContext("request", address, "test")


class Time:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def now(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds

    def move(self, *, seconds: float = 0, minutes: float = 0, days: float = 0) -> None:
        self.seconds += seconds + 60 * minutes + 86_400 * days


class Gate(PasswordHasher):
    """A cheap hasher that can be told to wait, so that other things happen meanwhile."""

    def __init__(self) -> None:
        super().__init__(
            memory_kib=8, time_cost=1, parallelism=1, concurrency=16, waited=lambda seconds: None
        )
        self.meanwhile: list[AsyncIterator[None]] = []

    async def verify(self, encoded: str | None, password: str) -> bool:
        right = await super().verify(encoded, password)
        while self.meanwhile:
            async for _ in self.meanwhile.pop():
                pass
        return right


class _Online:
    async def visible(self, viewer_id: str, user_ids: Collection[str]) -> Mapping[str, Status]:
        return dict.fromkeys(user_ids, "online")


class _NoBots:
    def principal_in(self, conn: Connection, bot_id: str, token_id: str) -> Principal | None:
        return None


class Trail:
    """Implements `Audit` in memory."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    def record_in(self, tx: WriteTx, entry: AuditEntry) -> None:
        tx.after_commit(lambda: self.entries.append(entry))

    def record(self, entry: AuditEntry) -> None:
        self.entries.append(entry)


class Counts:
    """Counts what the features report."""

    def __init__(self) -> None:
        self.of: Counter[str] = Counter()

    def authenticated(self, method: str) -> None:
        self.of[f"{method} ok"] += 1

    def authentication_failed(self, method: str, reason: str) -> None:
        self.of[f"{method} {reason}"] += 1

    def account_locked(self) -> None:
        self.of["locked"] += 1

    def refresh_reused(self) -> None:
        self.of["reused"] += 1

    def sessions_active(self, count: int) -> None:
        pass

    def revoked(self, reason: str, count: int) -> None:
        self.of[f"revoked {reason}"] += count


class Told:
    """Stands in for `auth.api.Alerts`: what owners hear of their second factors."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, FactorChange]] = []

    def factor_changed_in(self, tx: WriteTx, user_id: str, change: FactorChange) -> None:
        tx.after_commit(lambda: self.changes.append((user_id, change)))


class FactorCases(NamedTuple):
    """The use cases of second factors."""

    enrolment: Enrolment
    passkeys: Passkeys
    assertions: Assertions
    logins: SecondFactorService
    account: FactorService


class World(NamedTuple):
    """Use cases and what they reported."""

    database: SqliteDatabase
    clock: Time
    sealer: Sealer
    users: UserService
    keyring: KeyRing
    access: Access
    sessions: SessionService
    tickets: Tickets
    hasher: Gate
    lockout: Lockout
    login: Login
    accounts: Accounts
    recovery: Recovery
    addresses: Addresses
    post: Post
    notices: HeardNotices
    factors: FactorCases
    entrance: EntranceService
    links: Links
    told: list[tuple[str, FactorChange]]
    audit: Trail
    metrics: Counts
    trail: list[AuditEntry]
    counts: Counter[str]

    async def join(self, name: str) -> tuple[UserRecord, Tokens]:
        """A new account with its first session."""
        made = await self.register(name)
        assert isinstance(made, Entered)
        return made

    async def register(self, name: str) -> Entered | UserRecord:
        """A new account, whatever it begins with."""
        return await self.accounts.register(
            HERE,
            email=f"{name}@example.test",
            username=name,
            password=PASSWORD,
            display_name=name,
            device_name=None,
            username_fault=None,
        )

    async def enter(self, name: str, password: str = PASSWORD, context: RequestContext = HERE) -> Tokens:
        """Log in by username."""
        entered = await self.knock(name, password, context)
        assert isinstance(entered, Entered)
        return entered.tokens

    async def knock(
        self, name: str, password: str = PASSWORD, context: RequestContext = HERE
    ) -> Entered | SecondStep:
        """Give a password, whatever it leads to."""
        return await self.login.login(context, email=None, username=name, password=password, device_name=None)

    async def caller(self, tokens: Tokens) -> Principal:
        """Whom these tokens belong to."""
        return await self.access.authenticate(tokens.access_token)

    def events(self, event: str) -> list[AuditEntry]:
        return [entry for entry in self.trail if entry.event == event]

    def ring(self) -> KeyRing:
        """The key ring of another process on the same store."""
        return KeyRing(self.database, self.sealer, self.clock, rotation_days=90, access_ttl=ACCESS_TTL)


def _factors(
    database: SqliteDatabase,
    users: UserService,
    sessions: SessionService,
    tokens: OneTime,
    entrance: EntranceService,
    links: Links,
    trail: Trail,
    told: Told,
    sealer: Sealer,
    clock: Time,
) -> FactorCases:
    party = RelyingParty("chat.example.test", ORIGIN)
    steps, challenges = Steps(users, tokens, links), Challenges(tokens)
    changes = Changes(sessions, trail, told, steps, clock)
    codes = Codes(entrance, trail, sealer, clock)
    assertions = Assertions(database, entrance, party, challenges, steps, clock)
    return FactorCases(
        Enrolment(database, users, tokens, entrance, codes, changes),
        Passkeys(database, users, party, challenges, changes, clock),
        assertions,
        SecondFactorService(database, entrance, steps, codes, assertions),
        FactorService(database, tokens, challenges, changes),
    )


@asynccontextmanager
async def world(
    path: Path, *, max_sessions: int = 50, verification: Verification = "off"
) -> AsyncIterator[World]:
    """A store in the directory `path` with nobody in it."""
    database = open_sqlite(path / "secureconnect.db")
    tables = [METADATA.tables[name] for name in _TABLES]
    await database.write(lambda tx: METADATA.create_all(tx.conn, tables=tables))
    clock, bus, trail, counts, sealer = Time(), MemoryBus(), Trail(), Counts(), Sealer(os.urandom(32))
    owners = Late()
    users = UserService(
        database, bus, trail, clock, _Online(), cast("FactorOwners", owners), allow_http=False
    )
    await users.start()
    keyring = KeyRing(database, sealer, clock, rotation_days=90, access_ttl=ACCESS_TTL)
    await keyring.load()
    access = Access(
        database, bus, keyring, users, clock, issuer=ISSUER, revocation_cache_ttl=5, reauth_max_age=900
    )
    await access.start()
    limits = SessionLimits(ACCESS_TTL, 30 * 86_400, max_sessions, ISSUER)
    post, notices, tokens = Post(), HeardNotices(), OneTime(clock)
    sessions = SessionService(database, bus, keyring, users, trail, counts, clock, limits, notices)
    alerts = AlertService(users, sessions, trail, post, notices, clock, new_devices=True)
    hasher = Gate()
    lockout = Lockout(database, sessions, clock, LockoutLimits(5, 900, 900, 100))
    bars = [ban_bar(users, clock), *([verification_bar] if verification == "required" else [])]
    entrance = EntranceService(users, sessions, trail, lockout, alerts, counts, clock, bars)
    told, links = Told(), Links(trail, clock)
    factors = _factors(database, users, sessions, tokens, entrance, links, trail, told, sealer, clock)
    owners.source = factors.account
    login = Login(database, users, hasher, lockout, entrance, factors.logins, counts, clock)
    recovery = Recovery(
        database,
        users,
        sessions,
        tokens,
        trail,
        hasher,
        lockout,
        post,
        alerts,
        clock,
        reset_ttl=3600,
        shortest_password=8,
    )
    addresses = Addresses(
        database, users, sessions, tokens, trail, login, post, alerts, clock, change_ttl=86_400
    )
    accounts = Accounts(
        database,
        users,
        sessions,
        trail,
        hasher,
        login,
        addresses,
        alerts,
        clock,
        open_to_all=True,
        verification=verification,
        shortest_password=8,
    )
    try:
        yield World(
            database,
            clock,
            sealer,
            users,
            keyring,
            access,
            sessions,
            Tickets(database, _NoBots(), clock, access_ttl=ACCESS_TTL),
            hasher,
            lockout,
            login,
            accounts,
            recovery,
            addresses,
            post,
            notices,
            factors,
            entrance,
            links,
            told.changes,
            trail,
            counts,
            trail.entries,
            counts.of,
        )
    finally:
        hasher.close()
        await bus.close()
        await database.close()
