"""All use cases, put together."""

from collections.abc import Callable
from typing import NamedTuple

from secureconnect.edge.realtime.background import Background
from secureconnect.features.audit.api import Audit
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.files.rules import FileLimits
from secureconnect.features.files.service.attached import AttachedFiles
from secureconnect.features.files.service.avatars import Avatars
from secureconnect.features.files.service.completion import Completion
from secureconnect.features.files.service.downloads import Downloads
from secureconnect.features.files.service.expiry import Expiry
from secureconnect.features.files.service.holdings import Holdings
from secureconnect.features.files.service.journal import FileMetrics, Journal
from secureconnect.features.files.service.ledger import Ledger
from secureconnect.features.files.service.objects import Objects
from secureconnect.features.files.service.readers import Readers
from secureconnect.features.files.service.thumbnails import Thumbnails
from secureconnect.features.files.service.uploads import Uploads
from secureconnect.features.users.api import Users
from secureconnect.infra.blobs.base import Blobs
from secureconnect.infra.database.base import Database
from secureconnect.infra.images.base import Images
from secureconnect.infra.outbox.base import Outbox
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import Clock

__all__ = ["FileCases", "build_cases"]


class FileCases(NamedTuple):
    """What callers, other features and jobs can do."""

    uploads: Uploads
    completion: Completion
    downloads: Downloads
    holdings: Holdings
    attached: AttachedFiles
    avatars: Avatars
    readers: Readers
    thumbnails: Thumbnails
    expiry: Expiry
    objects: Objects


def build_cases(
    *,
    database: Database,
    timeline: Timeline,
    blobs: Blobs,
    images: Images,
    outbox: Outbox,
    audit: Audit,
    clock: Clock,
    background: Background,
    metrics: FileMetrics,
    denials: Callable[[str], None],
    users: Users,
    conversations: Conversations,
    limits: FileLimits,
) -> FileCases:
    """Every use case, on the same stores. `denials` counts refused access to a kind of resource."""
    journal = Journal(database, audit, metrics, denials)
    ledger = Ledger(users, timeline, outbox, journal, limits)
    objects = Objects(
        database, blobs, users, conversations, metrics, clock, multipart_ttl=limits.multipart_ttl
    )
    readers = Readers(database, conversations, clock, ledger, objects, limits)
    return FileCases(
        uploads=Uploads(database, blobs, clock, ledger, journal, limits),
        completion=Completion(database, blobs, clock, background, ledger, objects, journal),
        downloads=Downloads(database, blobs, readers, journal, limits),
        holdings=Holdings(database, clock, ledger, objects, journal),
        attached=AttachedFiles(database, timeline, conversations),
        avatars=Avatars(
            database,
            blobs,
            images,
            users,
            conversations,
            audit,
            clock,
            background,
            objects,
            journal,
            limits,
        ),
        readers=readers,
        thumbnails=Thumbnails(database, blobs, images, outbox, ledger),
        expiry=Expiry(database, clock, ledger, objects),
        objects=objects,
    )
