"""Recording: by clients, with everybody told, and the file given to the conversation."""

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.features.calls import rules, store
from secureconnect.features.calls.rules import Talk
from secureconnect.features.calls.service.announcing import Cause
from secureconnect.features.calls.service.desk import Changed, Desk
from secureconnect.features.calls.service.reading import CallReadService
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.files.api import File, FileRecord, Files, render_file
from secureconnect.features.messages.api import Messages, Outgoing
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_time_id
from secureconnect.kit.objects import Id, Time
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Attached", "RecordingService", "Recordings", "StoredRecording"]


class StoredRecording(Struct, frozen=True):
    """A recording whose file the reader may have."""

    recording_id: Id
    file: File
    created_at: Time


class Recordings(Struct, frozen=True):
    """Recordings of a call, oldest first."""

    recordings: list[StoredRecording]


class Attached(Struct, frozen=True):
    """The file is a recording of the call, and a message of its conversation."""

    recording_id: Id
    file_id: Id


class RecordingService:
    """Starts, stops and keeps recordings."""

    def __init__(
        self,
        database: Database,
        conversations: Conversations,
        files: Files,
        messages: Messages,
        desk: Desk,
        reading: CallReadService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._files = files
        self._messages = messages
        self._desk = desk
        self._reading = reading
        self._clock = clock

    async def set(
        self, caller: Principal, context: RequestContext, call_id: str, *, recording: bool
    ) -> Changed:
        """Begin or stop to record; everybody is told, also by an event of the conversation.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `CALL_ENDED`.
        """
        cause = Cause(caller.user_id, caller.session_id, context)

        def decide(tx: WriteTx, talk: Talk) -> Talk:
            after = rules.show(talk, caller.user_id, recording=recording)
            if recording:
                member = self._conversations.member_in(tx.conn, talk.call.conversation_id, caller.user_id)
                if not member.settings.recording_enabled:
                    raise ApiError(ErrorCode.FORBIDDEN, "This conversation allows no recordings.")
            return after

        return await self._desk.change(call_id, decide, cause)

    async def attach(self, caller: Principal, call_id: str, file_id: str) -> Attached:
        """Give a recording to the conversation, as a message of type `file`; again: the same.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `FILE_NOT_READY`, `E2EE_REQUIRED`, `TIMELINE_UNAVAILABLE`.
        """
        user_id = caller.user_id

        def look(conn: Connection) -> tuple[Talk, FileRecord]:
            talk = store.find(conn, call_id)
            if talk is None:
                raise rules.no_call()
            self._conversations.member_in(conn, talk.call.conversation_id, user_id)
            person = talk.people.get(user_id)
            if person is None or person.joined_at is None:
                raise ApiError(ErrorCode.FORBIDDEN, "Only who was in the call may keep a recording of it.")
            (file,) = self._files.attachable_in(conn, user_id, [file_id])
            return talk, file

        talk, file = await self._database.lookup(look)
        facts = await self._conversations.facts(talk.call.conversation_id)
        if facts is None:
            raise rules.no_call()
        if not facts.settings.recording_enabled:
            raise ApiError(ErrorCode.FORBIDDEN, "This conversation allows no recordings.")
        encrypted = facts.settings.is_e2ee_enabled
        if encrypted and not file.is_encrypted:
            raise ApiError(ErrorCode.E2EE_REQUIRED, "A recording of an encrypted conversation is encrypted.")
        # The message first: its client_message_id makes a repeat of all this harmless.
        await self._messages.post(
            Outgoing(
                conversation_id=talk.call.conversation_id,
                sender_id=user_id,
                client_message_id=f"recording:{call_id}:{file_id}",
                content="",
                is_encrypted=encrypted,
                message_type="file",
                metadata={"call_id": call_id},
                attachments=(file.attached,),
            )
        )
        now, recording_id = self._clock.now(), new_time_id()
        kept = await self._database.write(
            lambda tx: store.add_recording(tx, recording_id, call_id, file_id, user_id, now)
        )
        return Attached(kept, file_id)

    async def of(self, caller: Principal, call_id: str) -> Recordings:
        """Recordings whose files the caller may read.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`.
        """

        def query(conn: Connection) -> list[StoredRecording]:
            self._reading.readable_in(conn, caller.user_id, call_id)
            kept = store.recordings_of(conn, call_id)
            files = self._files.readable_in(conn, caller.user_id, [each[1] for each in kept])
            readable = {file.file_id: file for file in files}
            return [
                StoredRecording(recording_id, render_file(readable[file_id]), rfc3339(created_at))
                for recording_id, file_id, created_at in kept
                if file_id in readable
            ]

        return Recordings(await self._database.read(query))
