"""The use cases: telling, following the timelines, the inbox."""

from secureconnect.features.notifications.service.following import Follower
from secureconnect.features.notifications.service.inbox import Inbox, NotificationsPage
from secureconnect.features.notifications.service.telling import Teller

__all__ = ["Follower", "Inbox", "NotificationsPage", "Teller"]
