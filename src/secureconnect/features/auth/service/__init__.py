"""Use cases of auth: `accounts` registers and changes passwords, `login` proves who somebody is, `entrance`
is where every login ends, `bans` keeps out, `lockout` counts.
"""

from secureconnect.features.auth.service.accounts import Accounts
from secureconnect.features.auth.service.bans import ban_bar
from secureconnect.features.auth.service.entrance import EntranceService
from secureconnect.features.auth.service.lockout import Lockout, LockoutLimits
from secureconnect.features.auth.service.login import Login
from secureconnect.features.auth.service.passwords import NewPasswords

__all__ = ["Accounts", "EntranceService", "Lockout", "LockoutLimits", "Login", "NewPasswords", "ban_bar"]
