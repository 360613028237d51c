"""The encryption mode of a conversation, for sends: scenarios E1 and E2."""

import base64
import secrets

from tests.scenarios.conftest import Register
from tests.scenarios.steps import events, group, send, ws


async def test_e1_plain_text_is_refused_while_on(reg: Register) -> None:
    """A group made encrypted takes no plain send, over HTTP and socket; nothing is stored."""
    a, b = await reg("a", "b")
    g = (await group(a, [b], is_e2ee_enabled=True))["conversation_id"]
    (await send(a, g, "plain")).is_error(409, "E2EE_REQUIRED")
    (await send(b, g, "plain", is_encrypted=False)).is_error(409, "E2EE_REQUIRED")
    async with ws(b) as chat:
        refused = await chat.command("message_send", conversation_id=g, content="plain")
        assert (refused["type"], refused["code"]) == ("error", "E2EE_REQUIRED")
    assert [event["kind"] for event in await events(a, g)] == ["conversation_created"]


async def test_e1_the_mode_can_change(reg: Register) -> None:
    """Turned on, plain sends stop; turned off, they go on, and opaque ones are accepted in both modes."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    (await send(b, g, "opaque", is_encrypted=True)).ok(201)
    (await a.put(f"/v1/conversations/{g}/settings", {"is_e2ee_enabled": True})).ok()
    (await send(b, g, "plain")).is_error(409, "E2EE_REQUIRED")
    (await send(b, g, "opaque", is_encrypted=True)).ok(201)
    (await a.put(f"/v1/conversations/{g}/settings", {"is_e2ee_enabled": False})).ok()
    (await send(b, g, "plain")).ok(201)


async def test_e2_encrypted_content_is_kept_byte_for_byte(reg: Register) -> None:
    """65,536 bytes come back as they were, one more is refused; neither NFC nor trimming applies."""
    a, b = await reg("a", "b")
    g = (await group(a, [b], is_e2ee_enabled=True))["conversation_id"]
    longest = base64.b64encode(secrets.token_bytes(49_152)).decode()
    assert len(longest) == 65_536
    for content in (longest, "\x00 e\u0301 ", "é" * 32_768):
        sent = (await send(a, g, content, is_encrypted=True, e2ee={"alg": "m.megolm.v1", "epoch": 3})).ok(201)
        read = (await b.get(f"/v1/messages/{sent['message_id']}")).ok()
        assert (read["content"], read["is_encrypted"]) == (content, True)
        assert read["e2ee"] == {"alg": "m.megolm.v1", "epoch": 3}
    for content in (longest + "=", "é" * 32_769, ""):
        answer = await send(a, g, content, is_encrypted=True)
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == ["content"]
