"""How drafts are put together."""

from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.edge.module import Module
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.drafts.module import module
from secureconnect.features.drafts.service import DraftLimits
from secureconnect.features.files.api import Files

__all__ = ["wire_drafts"]


def wire_drafts(settings: Settings, stores: Stores, conversations: Conversations, files: Files) -> Module:
    """The feature."""
    return module(
        database=stores.database,
        timeline=stores.timeline,
        conversations=conversations,
        files=files,
        bus=stores.bus,
        clock=stores.clock,
        limits=DraftLimits(settings.messaging.max_content_chars, settings.messaging.max_encrypted_bytes),
    )
