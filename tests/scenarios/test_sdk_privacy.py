"""Getting one's data with the SDK against a real server."""

import io
import zipfile

import httpx
import pytest

from secureconnect.client import Client, NotFound, RateLimited
from secureconnect.client.models import Export
from tests.scenarios.patience import eventually
from tests.scenarios.sdk import person
from tests.scenarios.server import Server
from tests.scenarios.steps import NIL


async def ready(client: Client, export_id: str) -> Export:
    """The export, once it is made."""
    found: list[Export] = []

    async def done() -> bool:
        found[:] = [await client.users.export(export_id)]
        return found[0].status != "pending"

    await eventually(done)
    return found[0]


async def test_every_call_about_exports(server: Server) -> None:
    async with person(server.url, "a") as ann, person(server.url, "b") as bob:
        export_id = await ann.users.begin_export()
        export = await ready(ann, export_id)
        assert (export.export_id, export.status) == (export_id, "ready")
        assert export.expires_at is not None
        assert export.download_url is not None
        async with httpx.AsyncClient(verify=False) as anybody:
            answer = await anybody.get(export.download_url)
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert "profile.json" in archive.namelist()
        with pytest.raises(RateLimited) as refused:
            await ann.users.begin_export()
        assert refused.value.retry_after is not None
        assert refused.value.retry_after > 80_000
        for one, wanted in ((bob, export_id), (ann, NIL)):
            with pytest.raises(NotFound):
                await one.users.export(wanted)
