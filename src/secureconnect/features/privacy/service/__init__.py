"""Use cases of privacy: `deletion` takes accounts out and brings them back, `erasing` ends them for good,
`exports` gives people what is kept about them, written by `exporting`; `operating` is for commands.
"""

from secureconnect.features.privacy.service.deletion import Deletion
from secureconnect.features.privacy.service.erasing import Erasure, erase_job
from secureconnect.features.privacy.service.exporting import Exporter
from secureconnect.features.privacy.service.exports import ExportService
from secureconnect.features.privacy.service.operating import Operating

__all__ = ["Deletion", "Erasure", "ExportService", "Exporter", "Operating", "erase_job"]
