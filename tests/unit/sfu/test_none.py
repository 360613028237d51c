"""Without a media server everything says so."""

import pytest

from secureconnect.infra.sfu.base import Sfu, SfuPass, SfuUnavailable, WebhookRefused
from secureconnect.infra.sfu.none import NoSfu


async def test_nothing_works_and_nothing_is_pretended() -> None:
    sfu: Sfu = NoSfu()
    assert (sfu.configured, await sfu.ping()) == (False, None)
    with pytest.raises(SfuUnavailable):
        await sfu.open_room("room", max_participants=4)
    with pytest.raises(SfuUnavailable):
        sfu.admit("room", "user", now=0)
    with pytest.raises(SfuUnavailable):
        await sfu.participants("room")
    with pytest.raises(SfuUnavailable):
        await sfu.rooms()
    with pytest.raises(SfuUnavailable):
        await sfu.remove("room", "user")
    with pytest.raises(SfuUnavailable):
        await sfu.close_room("room")
    with pytest.raises(WebhookRefused):
        sfu.read_webhook(b"{}", "", now=0)
    await sfu.close()


def test_a_pass_does_not_show_its_token() -> None:
    assert "hidden" not in repr(SfuPass("wss://sfu.example.test", "hidden", 600))
