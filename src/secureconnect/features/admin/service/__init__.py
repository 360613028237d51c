"""Use cases of administration: `users` and `bans` act on accounts, `overview` and `health` show the server,
`retention` removes what is old, `trail` writes all of it down.
"""

from secureconnect.features.admin.service.bans import BanService
from secureconnect.features.admin.service.health import Component, HealthWatch, overall
from secureconnect.features.admin.service.overview import Counts, Listed, Overview
from secureconnect.features.admin.service.retention import Removed, Retention, RetentionLimits
from secureconnect.features.admin.service.trail import Admin, Trail
from secureconnect.features.admin.service.users import Changes, NewAccount, Shown, UserAdministration

__all__ = [
    "Admin",
    "BanService",
    "Changes",
    "Component",
    "Counts",
    "HealthWatch",
    "Listed",
    "NewAccount",
    "Overview",
    "Removed",
    "Retention",
    "RetentionLimits",
    "Shown",
    "Trail",
    "UserAdministration",
    "overall",
]
