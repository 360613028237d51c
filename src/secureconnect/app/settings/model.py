"""All settings as one immutable value."""

from pathlib import Path

import msgspec

from secureconnect.app.settings.backup import BackupSettings
from secureconnect.app.settings.bots import BotSettings
from secureconnect.app.settings.calls import CallSettings
from secureconnect.app.settings.gateway import GatewaySettings
from secureconnect.app.settings.limits import RateLimitSettings
from secureconnect.app.settings.mail import MailSettings
from secureconnect.app.settings.media import SfuSettings, TurnSettings
from secureconnect.app.settings.platform import (
    AuditSettings,
    DatabaseSettings,
    HttpSettings,
    ObjectStoreSettings,
    ObservabilitySettings,
    RedisSettings,
    ResilienceSettings,
    SecretSettings,
    ServerSettings,
)
from secureconnect.app.settings.privacy import PrivacySettings, RetentionSettings
from secureconnect.app.settings.product import (
    AuthSettings,
    ConversationSettings,
    FriendSettings,
    MessagingSettings,
    PresenceSettings,
)
from secureconnect.app.settings.push import PushSettings
from secureconnect.app.settings.storage import StorageSettings
from secureconnect.app.settings.timeline import TimelineSettings
from secureconnect.edge.realtime.settings import RealtimeSettings

__all__ = ["SQLITE", "Settings"]

SQLITE = "sqlite:///"


class Settings(msgspec.Struct, frozen=True):
    """What one process runs with. `Settings()` are the defaults; `load` reads the real ones."""

    server: ServerSettings = ServerSettings()
    secrets: SecretSettings = SecretSettings()
    http: HttpSettings = HttpSettings()
    gateway: GatewaySettings = GatewaySettings()
    resilience: ResilienceSettings = ResilienceSettings()
    database: DatabaseSettings = DatabaseSettings()
    timeline: TimelineSettings = TimelineSettings()
    redis: RedisSettings = RedisSettings()
    object_store: ObjectStoreSettings = ObjectStoreSettings()
    mail: MailSettings = MailSettings()
    push: PushSettings = PushSettings()
    turn: TurnSettings = TurnSettings()
    sfu: SfuSettings = SfuSettings()
    auth: AuthSettings = AuthSettings()
    conversations: ConversationSettings = ConversationSettings()
    messaging: MessagingSettings = MessagingSettings()
    friends: FriendSettings = FriendSettings()
    bots: BotSettings = BotSettings()
    presence: PresenceSettings = PresenceSettings()
    calls: CallSettings = CallSettings()
    realtime: RealtimeSettings = RealtimeSettings()
    rate_limits: RateLimitSettings = RateLimitSettings()
    storage: StorageSettings = StorageSettings()
    retention: RetentionSettings = RetentionSettings()
    privacy: PrivacySettings = PrivacySettings()
    audit: AuditSettings = AuditSettings()
    observability: ObservabilitySettings = ObservabilitySettings()
    backup: BackupSettings = BackupSettings()

    @property
    def data_dir(self) -> Path:
        """The data directory."""
        return Path(self.server.data_dir)

    @property
    def embedded_sql(self) -> bool:
        """True when the relational store is a SQLite file, which serves one process."""
        return not self.database.url or self.database.url.startswith(SQLITE)

    @property
    def database_path(self) -> Path:
        """The SQLite file, whether it is used or not."""
        url = self.database.url
        given = url.startswith(SQLITE)
        return Path(url.removeprefix(SQLITE)) if given else self.data_dir / "secureconnect.db"

    @property
    def production(self) -> bool:
        """True in the environment `production`."""
        return self.server.environment == "production"
