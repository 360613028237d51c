"""How files are put together."""

from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.edge.module import Module
from secureconnect.edge.realtime.background import Background
from secureconnect.features.audit.api import Audit
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.files.module import modules
from secureconnect.features.files.rules import FileLimits
from secureconnect.features.files.service import FileCases, build_cases
from secureconnect.features.users.api import Users
from secureconnect.infra.images.process import ImageProcess

__all__ = ["wire_files"]


def wire_files(
    settings: Settings,
    stores: Stores,
    *,
    background: Background,
    audit: Audit,
    users: Users,
    conversations: Conversations,
) -> tuple[FileCases, list[Module]]:
    """What other features stand on (`readers`, and `avatars` for pictures of groups), and the modules."""
    storage, images = settings.storage, ImageProcess()
    limits = FileLimits(
        storage.max_file_bytes,
        storage.multipart_threshold,
        storage.part_bytes,
        storage.quota_bytes,
        storage.upload_ttl,
        storage.download_ttl,
        storage.multipart_ttl,
        storage.max_pending,
        storage.mime_allow,
        storage.mime_deny,
        storage.thumbnails,
    )
    cases = build_cases(
        database=stores.database,
        timeline=stores.timeline,
        blobs=stores.blobs,
        images=images,
        outbox=stores.outbox,
        audit=audit,
        clock=stores.clock,
        background=background,
        metrics=stores.metrics.files,
        denials=stores.metrics.denied,
        users=users,
        conversations=conversations,
        limits=limits,
    )
    built = modules(
        cases,
        database=stores.database,
        outbox=stores.outbox,
        images=images,
        users=users,
        cursors=stores.cursors,
        metrics=stores.metrics.files,
        upload_sweep_interval=storage.upload_sweep_interval,
    )
    return cases, built
