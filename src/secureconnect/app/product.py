"""The product put together: every feature with what it needs. The only place that knows all of them."""

from typing import cast

from msgspec import Struct

from secureconnect.app.backup.schedule import backup_module
from secureconnect.app.bearers import Bearers
from secureconnect.app.commits import tell_each
from secureconnect.app.late import Late
from secureconnect.app.object_store import objects_module
from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.app.wiring.admin import wire_admin
from secureconnect.app.wiring.bots import wire_bot_access, wire_bots
from secureconnect.app.wiring.calls import CallParts, wire_calls
from secureconnect.app.wiring.conversations import wire_conversations
from secureconnect.app.wiring.drafts import wire_drafts
from secureconnect.app.wiring.factors import wire_factors
from secureconnect.app.wiring.files import wire_files
from secureconnect.app.wiring.mail import wire_mail
from secureconnect.app.wiring.messages import wire_messages
from secureconnect.app.wiring.notifications import wire_follower, wire_notifications
from secureconnect.app.wiring.polls import wire_polls
from secureconnect.app.wiring.presence import wire_presence
from secureconnect.app.wiring.privacy import wire_belongings, wire_privacy
from secureconnect.app.wiring.push import wire_push
from secureconnect.app.wiring.recovery import wire_mail_flows
from secureconnect.app.wiring.reports import wire_reports
from secureconnect.app.wiring.search import wire_search
from secureconnect.app.wiring.sessions import wire_sessions
from secureconnect.edge.limits import RateLimiter
from secureconnect.edge.module import Module
from secureconnect.edge.realtime.background import Background
from secureconnect.edge.realtime.fanout.hub import Hub
from secureconnect.edge.realtime.timers import Timers
from secureconnect.features.audit.module import module as audit_module
from secureconnect.features.audit.service import AuditService
from secureconnect.features.auth.module import module as auth_module
from secureconnect.features.auth.service import (
    Accounts,
    AlertService,
    EntranceService,
    Lockout,
    LockoutLimits,
    Login,
    ban_bar,
    verification_bar,
)
from secureconnect.features.conversations.api import Purged
from secureconnect.features.conversations.service import FactsCache, Listing, Neighbours, Views
from secureconnect.features.conversations.socket import SocketMemberships
from secureconnect.features.conversations.tasks import erase_deleted
from secureconnect.features.friends.module import module as friends_module
from secureconnect.features.friends.rules import FriendLimits
from secureconnect.features.friends.service import Relations as Friends
from secureconnect.features.mail.module import module as mail_module
from secureconnect.features.mail.service import MailService
from secureconnect.features.messages.api import Messages, Online, PollCards
from secureconnect.features.messages.service import Announcer, MessagePurge, Poster, SenderNames, TimelineView
from secureconnect.features.notifications.service import Teller
from secureconnect.features.notifications.service.frames import Frames
from secureconnect.features.privacy.service import Operating
from secureconnect.features.push.service import Deliverer
from secureconnect.features.push.service.queueing import LoggedIn
from secureconnect.features.search.service import Feeder
from secureconnect.features.sessions.module import modules as sessions_modules
from secureconnect.features.sessions.service import OneTime, Tickets
from secureconnect.features.users.api import FactorOwners, Statuses
from secureconnect.features.users.module import module as users_module
from secureconnect.features.users.service import UserService
from secureconnect.infra.crypto.hashing import PasswordHasher

__all__ = ["Product", "assemble_product"]

_BATCH = 1000


class Product(Struct, frozen=True):
    """All features of one process, and the parts that the edges need of them."""

    modules: list[Module]
    hub: Hub
    calls: CallParts
    timers: Timers
    background: Background
    limiter: RateLimiter
    access: Bearers
    accounts: Accounts
    tickets: Tickets
    audit: AuditService
    memberships: SocketMemberships
    view: TimelineView
    hasher: PasswordHasher
    mail: MailService
    push: Deliverer
    privacy: Operating
    users: UserService


def assemble_product(settings: Settings, stores: Stores) -> Product:
    """Build every feature, in the order in which they stand on each other."""
    database, bus, clock, metrics = stores.database, stores.bus, stores.clock, stores.metrics
    timeline, cursors = stores.timeline, stores.cursors
    development = settings.server.environment == "development"
    statuses, factors, online, polls, messages, logged_in, left_calls = (Late() for _ in range(7))
    timers, background = Timers(clock), Background()
    audit = AuditService(database, metrics, clock, retention_days=settings.audit.retention_days)
    push = wire_push(settings, stores, cast("LoggedIn", logged_in), audit)
    teller = Teller(Frames(bus, timers), push.queue, metrics, clock)

    mail = wire_mail(settings, stores)
    users = UserService(
        database,
        bus,
        audit,
        clock,
        cast("Statuses", statuses),
        cast("FactorOwners", factors),
        allow_http=development,
    )
    friends = Friends(database)

    auth = settings.auth
    keyring, access, sessions = wire_sessions(
        settings, stores, users=users, audit=audit, notices=teller, ends=[push.devices]
    )
    logged_in.source = sessions
    bearers = Bearers(access, bot_access := wire_bot_access(settings, stores, users))
    tickets = Tickets(database, bot_access, clock, access_ttl=auth.access_ttl)
    hasher = PasswordHasher(
        memory_kib=auth.argon2_memory_kib,
        time_cost=auth.argon2_time,
        parallelism=auth.argon2_parallelism,
        concurrency=auth.hash_concurrency,
        waited=metrics.hash_waited,
    )
    lockout = Lockout(
        database,
        sessions,
        clock,
        LockoutLimits(
            auth.lockout_failures,
            auth.lockout_window,
            auth.lockout_duration,
            auth.lockout_account_failures,
        ),
    )
    alerts = AlertService(users, sessions, audit, mail, teller, clock, new_devices=auth.notify_new_device)
    bars = [ban_bar(users, clock), *([verification_bar] if auth.email_verification == "required" else [])]
    entrance = EntranceService(users, sessions, audit, lockout, alerts, metrics, clock, bars)
    factor_parts = wire_factors(
        settings,
        stores,
        users=users,
        sessions=sessions,
        tokens=OneTime(clock),
        entrance=entrance,
        alerts=alerts,
        audit=audit,
    )
    factors.source = factor_parts.factors
    login = Login(database, users, hasher, lockout, entrance, factor_parts.logins, metrics, clock)
    flows = wire_mail_flows(
        settings,
        stores,
        users=users,
        sessions=sessions,
        audit=audit,
        hasher=hasher,
        lockout=lockout,
        login=login,
        mail=mail,
        alerts=alerts,
    )
    accounts = Accounts(
        database,
        users,
        sessions,
        audit,
        hasher,
        login,
        flows.addresses,
        alerts,
        clock,
        open_to_all=auth.registration == "open",
        verification=auth.email_verification,
        shortest_password=auth.password_min,
    )

    names = SenderNames(users)
    facts = FactsCache(database, timeline, bus, friends, clock)
    view = TimelineView(database, timeline, facts, names, cast("PollCards", polls))
    announcer = Announcer(bus, names, facts, clock, metrics)
    feeder = Feeder(stores.search, timeline, clock)
    views = Views(database, timeline, users, view, clock, unread_cap=settings.messaging.unread_cap)
    conversations = Neighbours(database, timeline, bus, clock, facts, views)
    follower = wire_follower(
        settings,
        stores,
        teller,
        conversations,
        friends,
        cast("Messages", messages),
        users,
        cast("Online", online),
    )
    timeline.listen(
        tell_each(
            announcer.committed,
            feeder.committed,
            follower.committed,
            lambda events: left_calls.committed(events),  # noqa: PLW0108 - built below
        )
    )
    memberships = SocketMemberships(conversations, Listing(database, views))
    hub = Hub(
        bus=bus,
        memberships=memberships,
        source=view,
        metrics=metrics,
        clock=clock,
        background=background,
        endings=bearers,
    )
    presence, presence_module = wire_presence(
        settings,
        stores,
        users=users,
        friends=friends,
        conversations=conversations,
        hub=hub,
        timers=timers,
        background=background,
    )
    statuses.source = online.source = presence
    files, file_modules = wire_files(
        settings, stores, background=background, audit=audit, users=users, conversations=conversations
    )
    poster = Poster(timeline, conversations, files.readers, cast("Online", online), names, clock)

    polls_module, polls.source = wire_polls(stores, users, conversations, cast("Messages", messages))
    messages_module, message_cases, messages.source = wire_messages(
        settings,
        stores,
        timers=timers,
        audit=audit,
        users=users,
        conversations=conversations,
        files=files.readers,
        polls=cast("PollCards", polls),
        names=names,
        poster=poster,
        announcer=announcer,
        view=view,
        notices=teller,
    )

    calls = wire_calls(
        settings,
        stores,
        background=background,
        audit=audit,
        users=users,
        friends=friends,
        conversations=conversations,
        files=files.readers,
        messages=cast("Messages", messages),
        inboxes=teller,
        ringers=push.queue,
        followed=left_calls,
    )

    bots, bot_modules = wire_bots(
        settings,
        stores,
        access=bot_access,
        audit=audit,
        users=users,
        conversations=conversations,
        messages=cast("Messages", messages),
    )

    purged: list[Purged] = [files.readers, MessagePurge(), cast("Purged", polls)]
    admin = wire_admin(
        settings,
        stores,
        audit=audit,
        users=users,
        sessions=sessions,
        hasher=hasher,
        factors=factor_parts.factors,
        files=files.readers,
        presences=presence,
        bots=bots,
        mail=mail,
        push=push.deliverer,
        hub=hub,
        purged=purged,
    )
    privacy = wire_privacy(
        settings,
        stores,
        deletion=admin.deletion,
        accounts=admin.accounts,
        files=files.readers,
        audit=audit,
        belongings=wire_belongings(
            stores,
            audit=audit,
            users=users,
            conversations=conversations,
            facts=facts,
            messages=message_cases,
            files=files.readers,
            bots=bots,
            mail=mail,
            feeder=feeder,
            purge=lambda: erase_deleted(database, timeline, purged, batch=_BATCH),
        ),
    )

    modules = [
        audit_module(audit, cursors),
        mail_module(mail),
        objects_module(settings, stores.blobs),
        users_module(users),
        friends_module(
            database=database,
            users=users,
            audit=audit,
            bus=bus,
            clock=clock,
            cursors=cursors,
            limits=FriendLimits(settings.friends.max, settings.friends.max_pending),
            pair_changed=[conversations.pair_changed, calls.following.pair_changed],
            notices=teller,
        ),
        *sessions_modules(sessions, tickets, keyring, access, memberships, calls.reading, cursors),
        auth_module(accounts, login, lockout, flows.recovery, flows.addresses, factor_parts.logins, users),
        *factor_parts.modules,
        wire_conversations(
            settings,
            stores,
            audit=audit,
            users=users,
            friends=friends,
            facts=facts,
            views=views,
            neighbours=conversations,
            pictures=files.avatars,
            purged=purged,
        ),
        *file_modules,
        messages_module,
        polls_module,
        calls.module,
        wire_search(stores, feeder, users, conversations, cast("Messages", messages)),
        wire_drafts(settings, stores, conversations, files.readers),
        wire_notifications(settings, stores, users, follower),
        push.module,
        *bot_modules,
        wire_reports(
            stores,
            audit=audit,
            users=users,
            conversations=conversations,
            messages=cast("Messages", messages),
            bans=admin.bans,
        ),
        admin.module,
        privacy.module,
        presence_module,
        backup_module(settings, clock, metrics.operations),
    ]
    return Product(
        modules=modules,
        hub=hub,
        calls=calls,
        timers=timers,
        background=background,
        limiter=RateLimiter(
            stores.cache, settings.rate_limits.rows(), metrics, enabled=settings.rate_limits.enabled
        ),
        access=bearers,
        accounts=accounts,
        tickets=tickets,
        audit=audit,
        memberships=memberships,
        view=view,
        hasher=hasher,
        mail=mail,
        push=push.deliverer,
        privacy=privacy.operating,
        users=users,
    )
