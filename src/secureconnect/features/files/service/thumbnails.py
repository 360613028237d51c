"""Thumbnails of completed pictures, made by jobs of the outbox."""

from secureconnect.features.files import rules, store
from secureconnect.features.files.rules import PICTURE_BYTES, THUMBNAIL_SIDE
from secureconnect.features.files.service.ledger import Ledger, ThumbnailWanted
from secureconnect.infra.blobs.base import Blobs, ObjectMissing, ObjectTooLarge
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.images.base import Images, PictureRefused
from secureconnect.infra.outbox.base import Outbox, Work

__all__ = ["Thumbnails"]


class Thumbnails:
    """Shrinks one picture at a time; what cannot be shrunk has no thumbnail and is not tried again."""

    def __init__(
        self, database: Database, blobs: Blobs, images: Images, outbox: Outbox, ledger: Ledger
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._images = images
        self._outbox = outbox
        self._ledger = ledger

    async def make(self, work: Work) -> None:
        """A handler of the outbox's `thumbnail`."""
        file_id = work.decode(ThumbnailWanted).file_id
        file = await self._database.lookup(lambda conn: store.find(conn, file_id))
        if file is None or file.status != "completed" or file.has_thumbnail:
            return
        try:
            data = await self._blobs.read(file.object_key, at_most=PICTURE_BYTES)
            webp = await self._images.shrink(data, side=THUMBNAIL_SIDE)
        except (ObjectMissing, ObjectTooLarge, PictureRefused):
            return
        key = rules.thumbnail_key(file_id)
        await self._blobs.put(key, webp, content_type="image/webp")

        def note(tx: WriteTx) -> bool:
            self._outbox.finish_in(tx, work)
            return self._ledger.thumbnail_in(tx, file_id)

        if not await self._database.write(note):  # deleted meanwhile
            await self._blobs.delete([key])
