"""What the SFU tells of its rooms (docs/reference/http.md, calls)."""

from secureconnect.features.calls import rules, store
from secureconnect.features.calls.rules import Talk
from secureconnect.features.calls.service.announcing import Cause
from secureconnect.features.calls.service.desk import Desk
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.sfu.base import Sfu, SfuUnavailable, WebhookRefused
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import is_uuid

__all__ = ["SfuNews"]

log = get_logger()


class SfuNews:
    """Keeps calls in step with what happens at the SFU. News may come twice, late, and in any order."""

    def __init__(self, database: Database, desk: Desk, sfu: Sfu, clock: Clock) -> None:
        self._database = database
        self._desk = desk
        self._sfu = sfu
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
        if not is_uuid(news.room) or not await self._known(news.room):
            return

        def decide(_: WriteTx, talk: Talk) -> Talk:
            if talk.call.topology != "sfu":
                return talk
            if news.kind == "participant_joined":
                return rules.sfu_joined(talk, user_id, now)
            return rules.sfu_left(talk, user_id, news.at)

        after = (await self._desk.change(news.room, decide, Cause())).after
        person = after.people.get(user_id)
        if news.kind == "participant_joined" and (person is None or not person.taking_part):
            await self._put_out(news.room, user_id)

    async def _put_out(self, call_id: str, user_id: str) -> None:
        """A pass from before is good for some minutes longer than the place in the call."""
        try:
            await self._sfu.remove(call_id, user_id)
        except SfuUnavailable as error:
            log.warning("somebody who is not in a call stays in its room", reason=error.reason)

    async def _known(self, call_id: str) -> bool:
        return await self._database.lookup(lambda conn: store.conversation_of(conn, call_id)) is not None
