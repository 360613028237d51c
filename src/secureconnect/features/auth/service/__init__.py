"""Use cases of auth: `accounts` registers and changes passwords, `login` proves who somebody is, `entrance`
is where every login ends, `bans` keeps out, `lockout` counts, `recovery` sets forgotten passwords,
`addresses` proves and replaces e-mail addresses, `alerts` tells owners what happened.
"""

from secureconnect.features.auth.service.accounts import Accounts
from secureconnect.features.auth.service.addresses import Addresses, verification_bar
from secureconnect.features.auth.service.alerts import AlertService
from secureconnect.features.auth.service.bans import ban_bar
from secureconnect.features.auth.service.entrance import EntranceService
from secureconnect.features.auth.service.lockout import Lockout, LockoutLimits
from secureconnect.features.auth.service.login import Login
from secureconnect.features.auth.service.passwords import NewPasswords
from secureconnect.features.auth.service.recovery import Recovery

__all__ = [
    "Accounts",
    "Addresses",
    "AlertService",
    "EntranceService",
    "Lockout",
    "LockoutLimits",
    "Login",
    "NewPasswords",
    "Recovery",
    "ban_bar",
    "verification_bar",
]
