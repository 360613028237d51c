"""Raw requests and an application that answers them."""

import asyncio
import json
from typing import Any

from tests.unit.serving import Line


class App:
    """Answers with what it was asked, in the order and at the time that the test says."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.headers: list[dict[bytes, bytes]] = []
        self.bodies: list[bytes] = []
        self.disconnects = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.early = False  # answer before the body is read

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(scope["path"])
        self.headers.append(dict(scope["headers"]))
        body = b""
        while not self.early:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnects += 1
                return
            body += message["body"]
            if not message["more_body"]:
                break
        self.bodies.append(body)
        await self.gate.wait()
        content = scope["path"].encode()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", b"%d" % len(content))],
            }
        )
        await send({"type": "http.response.body", "body": content})


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "host: test", *headers, "", ""]).encode("latin-1")


async def refusal(line: Line, status: int, code: str) -> Any:
    """The next response is this error, and the last."""
    got, headers, body = await line.response()
    assert (got, headers["connection"]) == (status, "close")
    assert headers["content-type"] == "application/json"
    assert "date" in headers
    error = json.loads(body)["error"]
    assert error["code"] == code
    assert await line.ended() == b""
    return error
