"""What the SFU tells of its rooms (docs/reference/http.md, calls)."""

from secureconnect.features.calls import rules, store
from secureconnect.features.calls.service.announcing import Cause
from secureconnect.features.calls.service.desk import Desk
from secureconnect.features.calls.service.sfu_rooms import SfuRooms
from secureconnect.infra.database.base import Database
from secureconnect.infra.sfu.base import Sfu, SfuUnavailable, WebhookRefused
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import is_uuid

__all__ = ["SfuNews"]

log = get_logger()


class SfuNews:
    """Keeps calls in step with what happens at the SFU. News may come twice, late, and in any order."""

    def __init__(self, database: Database, desk: Desk, sfu: Sfu, rooms: SfuRooms, clock: Clock) -> None:
        self._database = database
        self._desk = desk
        self._sfu = sfu
        self._rooms = rooms
        self._clock = clock

    async def heard(self, body: bytes, authorization: str) -> None:
        """One webhook.

        Raises:
            ApiError: `UNAUTHORIZED` unless the SFU signed it.
        """
        now = self._clock.now()
        try:
            news = self._sfu.read_webhook(body, authorization, now=now)
        except WebhookRefused as error:
            raise ApiError(ErrorCode.UNAUTHORIZED, "The signature is not that of the SFU.") from error
        user_id = news.user_id
        if user_id is None or news.kind not in {"participant_joined", "participant_left"}:
            return
        if not is_uuid(news.room):
            return
        talk = await self._database.lookup(lambda conn: store.find(conn, news.room))
        if talk is None or talk.call.topology != "sfu":
            return
        if news.kind == "participant_left":
            await self._desk.change(
                news.room, lambda _, talk: rules.sfu_left(talk, user_id, news.at), Cause()
            )
            return
        try:
            await self._rooms.came(news.room, user_id)
        except SfuUnavailable as error:
            log.warning("somebody who is not in a call stays in its room", reason=error.reason)
