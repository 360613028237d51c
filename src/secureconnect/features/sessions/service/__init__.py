"""Use cases of sessions: `keyring` signs, `access` checks bearer tokens, `lifecycle` starts and ends
sessions, `one_time` keeps single-use tokens and `tickets` those of sockets.
"""

from secureconnect.features.sessions.service.access import Access
from secureconnect.features.sessions.service.keyring import KeyRing
from secureconnect.features.sessions.service.lifecycle import SessionLimits, SessionService
from secureconnect.features.sessions.service.one_time import OneTime
from secureconnect.features.sessions.service.tickets import Tickets

__all__ = ["Access", "KeyRing", "OneTime", "SessionLimits", "SessionService", "Tickets"]
