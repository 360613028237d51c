"""Use cases of calls."""

from secureconnect.features.calls.service.admitting import Admission, Admissions
from secureconnect.features.calls.service.announcing import Announcer
from secureconnect.features.calls.service.answering import AnswerService, Placement
from secureconnect.features.calls.service.desk import Desk
from secureconnect.features.calls.service.following import Followed
from secureconnect.features.calls.service.initiating import CallAllowed, InitiateService
from secureconnect.features.calls.service.logbook import Logbook
from secureconnect.features.calls.service.metrics import CallMetrics
from secureconnect.features.calls.service.presences import Presences, StoredRoster
from secureconnect.features.calls.service.pulse import Pulse
from secureconnect.features.calls.service.reading import CallReadService
from secureconnect.features.calls.service.reaping import Reaper
from secureconnect.features.calls.service.recording import RecordingService
from secureconnect.features.calls.service.relaying import SfuNews
from secureconnect.features.calls.service.summons import Summons

__all__ = [
    "Admission",
    "Admissions",
    "Announcer",
    "AnswerService",
    "CallAllowed",
    "CallMetrics",
    "CallReadService",
    "Desk",
    "Followed",
    "InitiateService",
    "Logbook",
    "Placement",
    "Presences",
    "Pulse",
    "Reaper",
    "RecordingService",
    "SfuNews",
    "StoredRoster",
    "Summons",
]
