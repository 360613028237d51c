"""What other features may ask about users: `people` they are, `accounts` they have, `users` in one place."""

from secureconnect.features.users.api.accounts import (
    Account,
    AccountOrder,
    Accounts,
    AccountStatus,
    AccountsWanted,
    Ban,
    BotUser,
    BotUsers,
)
from secureconnect.features.users.api.people import (
    DisplayName,
    Email,
    NewUser,
    Privacy,
    PublicUser,
    Status,
    User,
    Username,
    UserRecord,
    public_user,
    render_user,
    username_fault,
)
from secureconnect.features.users.api.users import Notices, SecurityEvent, Statuses, Users

__all__ = [
    "Account",
    "AccountOrder",
    "AccountStatus",
    "Accounts",
    "AccountsWanted",
    "Ban",
    "BotUser",
    "BotUsers",
    "DisplayName",
    "Email",
    "NewUser",
    "Notices",
    "Privacy",
    "PublicUser",
    "SecurityEvent",
    "Status",
    "Statuses",
    "User",
    "UserRecord",
    "Username",
    "Users",
    "public_user",
    "render_user",
    "username_fault",
]
