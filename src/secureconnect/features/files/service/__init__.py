"""Use cases: uploads, downloads, one's own files, files of conversations, avatars, and what cleans up."""

from secureconnect.features.files.service.attached import AttachedFiles, Sent
from secureconnect.features.files.service.avatars import Avatars
from secureconnect.features.files.service.cases import FileCases, build_cases
from secureconnect.features.files.service.completion import Completion, GivenPart
from secureconnect.features.files.service.downloads import Downloads, Link, Variant
from secureconnect.features.files.service.expiry import Expiry
from secureconnect.features.files.service.holdings import Filter, Holdings
from secureconnect.features.files.service.journal import Caller, FileMetrics
from secureconnect.features.files.service.ledger import Removal
from secureconnect.features.files.service.objects import Objects
from secureconnect.features.files.service.readers import Readers
from secureconnect.features.files.service.thumbnails import Thumbnails
from secureconnect.features.files.service.uploads import Begun, PartUrl, Uploads

__all__ = [
    "AttachedFiles",
    "Avatars",
    "Begun",
    "Caller",
    "Completion",
    "Downloads",
    "Expiry",
    "FileCases",
    "FileMetrics",
    "Filter",
    "GivenPart",
    "Holdings",
    "Link",
    "Objects",
    "PartUrl",
    "Readers",
    "Removal",
    "Sent",
    "Thumbnails",
    "Uploads",
    "Variant",
    "build_cases",
]
