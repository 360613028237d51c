"""The use cases: what devices say, who may see it, and what these see."""

from secureconnect.features.presence.service.devices import Devices
from secureconnect.features.presence.service.presence import SOCKET_TTL, PresenceService, UserPresence
from secureconnect.features.presence.service.relations import Relations

__all__ = ["SOCKET_TTL", "Devices", "PresenceService", "Relations", "UserPresence"]
