"""`secureconnect chat`: two people at two terminals, a pipe that only sends, a server that dies."""

import asyncio
import contextlib
import os
import pty
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.scenarios.conftest import Register, Serve
from tests.scenarios.factors import device_of, protect, register_passkey
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server, environment
from tests.scenarios.steps import PASSWORD, Person, stranger

ARGUMENTS = (sys.executable, "-m", "secureconnect", "chat")


class Terminal:
    """A running terminal client whose output is kept."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.output = ""
        self._grew = asyncio.Condition()
        self._over = False
        self._at = 0
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while part := await self.process.stdout.read(65536):
            async with self._grew:
                self.output += part.decode()
                self._grew.notify_all()
        async with self._grew:
            self._over = True
            self._grew.notify_all()

    async def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        await self.process.stdin.drain()

    async def sees(self, pattern: str, seconds: float = 20) -> str:
        """Wait for text that was not seen before; returns the line."""
        found: re.Match[str] | None = None

        def there() -> bool:
            nonlocal found
            found = re.search(pattern, self.output[self._at :])
            return found is not None or self._over

        try:
            async with asyncio.timeout(seconds), self._grew:
                await self._grew.wait_for(there)
        except TimeoutError:
            raise AssertionError(f"{pattern!r} did not come:\n{self.output[self._at :]}") from None
        assert found is not None, self.output[self._at :]
        self._at += found.end()
        return found.group()

    async def ends(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(20):
            await self._reader
            return await self.process.wait()


@contextlib.asynccontextmanager
async def terminal(person: Person, folder: Path, *more: str) -> AsyncIterator[Terminal]:
    """The terminal client of a person."""
    password = folder / f"{person.username}.password"
    password.write_text(f"{person.password}\n")
    process = await asyncio.create_subprocess_exec(
        *ARGUMENTS,
        *("--url", person.url, "--user", person.username, "--password-file", str(password), *more),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(),
        cwd=folder,
    )
    try:
        yield Terminal(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_two_people_talk_in_their_terminals(server: Server, reg: Register, tmp_path: Path) -> None:
    bob, cat = await reg("b", "c")
    ann = stranger(server.url, "a")
    fields = ("--register", "--email", ann.email, "--display-name", "Ann")
    async with terminal(ann, tmp_path, *fields) as at_ann, terminal(bob, tmp_path) as at_bob:
        await at_ann.sees("Hello Ann.")
        await at_ann.sees("no conversations yet")
        await at_bob.sees("Hello User b.")
        await at_ann.type("hello?")
        await at_ann.sees("! open a conversation first")
        await at_ann.type("/dm nobody-at-all")
        await at_ann.sees("! nobody is called nobody-at-all")

        await at_ann.type(f"/dm {bob.username}")
        await at_ann.sees("── User b ──")
        await at_bob.sees(r"\* you are now in Ann: /open 1")
        await at_ann.type("Hi Bob ✓ \u202ered")
        await at_bob.sees(r"\[Ann\] Ann: Hi Bob ✓ \ufffdred")
        await at_bob.type("/open 1")
        await at_bob.sees("── Ann ──")
        await at_bob.sees("Ann: Hi Bob")
        await at_bob.type("//not a command")
        await at_ann.sees(r"\d\d:\d\d User b: /not a command")
        await at_ann.type("/who")
        await at_ann.sees(rf"Ann \({ann.username}\), admin, online")

        await at_bob.type(f"/group 'Lunch time' {ann.username} {cat.username}")
        await at_bob.sees("── Lunch time ──")
        await at_ann.sees(r"you are now in Lunch time: /open 2")
        await at_ann.type("/open lunch time")
        await at_ann.sees("── Lunch time ──")
        await at_ann.type("noon")
        await at_bob.sees("Ann: noon")
        await at_bob.type("/history 1")
        await at_bob.sees("Ann: noon")
        await at_bob.type("/nonsense")
        await at_bob.sees("! there is no /nonsense")
        await at_bob.type("/help")
        await at_bob.sees("/dm NAME")
        await at_bob.type("/list")
        await at_bob.sees(r"1\. Lunch time \(group of 3\)\n2\. Ann \(direct\)")
        await at_bob.type("/quit")
        assert await at_bob.ends() == 0
        assert await at_ann.ends() == 0


async def test_a_second_factor_is_asked_for(server: Server, reg: Register, tmp_path: Path) -> None:
    (ann,) = await reg("a")
    app, codes = await protect(ann)
    async with terminal(ann, tmp_path) as at_ann:
        await at_ann.sees("a code of your authenticator app, or a recovery code")
        for wrong in ("x", app.wrong, "no recovery code"):
            await at_ann.type(wrong)
            await at_ann.sees("! that code is wrong, or was used before")
        code = await app.code()
        await at_ann.type(f"{code[:3]} {code[3:]}")
        await at_ann.sees("Hello User a.")
        assert await at_ann.ends() == 0
    async with terminal(ann, tmp_path) as at_ann:
        await at_ann.type(codes[0])
        await at_ann.sees("Hello User a.")
        assert await at_ann.ends() == 0
    async with terminal(ann, tmp_path) as at_ann:
        assert await at_ann.ends() == 1
        assert "the login needs a code" in at_ann.output
    bob = (await reg("b"))[0]
    await register_passkey(bob, device_of(bob))
    async with terminal(bob, tmp_path) as at_bob:
        assert await at_bob.ends() == 1
        assert "asks for a passkey" in at_bob.output


async def test_what_is_piped_in_is_delivered_before_the_end(
    server: Server, reg: Register, tmp_path: Path
) -> None:
    ann, bob = await reg("a", "b")
    lines = [f"line {number}" for number in range(20)]
    async with terminal(bob, tmp_path) as at_bob, terminal(ann, tmp_path) as at_ann:
        await at_bob.sees("no conversations yet")
        await at_ann.type("\n".join([f"/dm {bob.username}", *lines]))
        assert await at_ann.ends() == 0
        for line in lines:
            await at_bob.sees(f"User a: {line}\n")


async def test_a_terminal_survives_its_server(serve: Serve, reg: Register, tmp_path: Path) -> None:
    async with serve() as server:
        ann, bob = await reg("a", "b", url=server.url)
        async with terminal(ann, tmp_path) as at_ann, terminal(bob, tmp_path) as at_bob:
            await at_bob.sees("no conversations yet")
            await at_ann.type(f"/dm {bob.username}")
            await at_ann.type("are you there?")
            await at_bob.sees("User a: are you there")
            server.kill()
            await at_ann.sees(r"\* no connection \(.+\); trying again in \d+ s")
            await at_ann.type("typed in the dark")
            await server.start()
            await at_ann.sees("connected again")
            await at_bob.sees("User a: typed in the dark")
            await bob.delete(f"/v1/auth/sessions/{(await sessions(bob))[-1]}")
            await at_bob.sees("4003 session_revoked")
            assert await at_bob.ends() == 1


async def sessions(person: Person) -> list[str]:
    """The other sessions of a person."""
    found = (await person.get("/v1/auth/sessions")).ok()["sessions"]
    return [each["session_id"] for each in found if not each["current"]]


async def test_wrong_use_is_explained(server: Server, reg: Register, tmp_path: Path) -> None:
    (ann,) = await reg("a")
    ann.password = "not the password"
    async with terminal(ann, tmp_path) as at_ann:
        await at_ann.sees("secureconnect: INVALID_CREDENTIALS")
        assert await at_ann.ends() == 1
    for arguments, words in [
        (("--user", "x"), b"give --password-file"),
        ((), b"give --user"),
        (
            ("--url", "chat.example.org", "--user", "x", "--password-file", os.devnull),
            b"not a server address",
        ),
    ]:
        process = await asyncio.create_subprocess_exec(
            *ARGUMENTS, *arguments, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        _, complaint = await process.communicate()
        assert process.returncode == 2
        assert words in complaint


async def test_a_real_terminal(server: Server, reg: Register) -> None:
    ann, bob = await reg("a", "b")
    outer, inner = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *ARGUMENTS,
        *("--url", server.url, "--user", ann.username),
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env={**environment(), "TERM": "dumb"},
        start_new_session=True,
    )
    os.close(inner)
    seen = ""

    async def sees(text: str) -> None:
        nonlocal seen
        async with asyncio.timeout(20):
            while text not in seen:
                seen += (await asyncio.to_thread(os.read, outer, 65536)).decode()
        seen = seen[seen.index(text) + len(text) :]

    try:
        await sees("Password: ")
        os.write(outer, f"{PASSWORD}\n".encode())
        await sees("no conversations yet")
        await sees("> ")
        os.write(outer, f"/dm {bob.username}\n".encode())
        await sees("── User b ──")
        await sees("User b> ")
        os.write(outer, b"half a li")
        await sees("half a li")
        direct = (await bob.get("/v1/conversations")).ok()["conversations"][0]["conversation_id"]
        await bob.post("/v1/messages", {"conversation_id": direct, "content": "hi there"})
        await sees("User b: hi there\r\nUser b> half a li")  # what was typed is still there
        os.write(outer, b"ne\n")
        await sees("ne")

        async def arrived() -> bool:
            rows = (await bob.get(f"/v1/messages?conversation_id={direct}")).ok()["messages"]
            return bool(rows[0]["content"] == "half a line")

        await eventually(arrived)
        os.write(outer, b"\x04")
        async with asyncio.timeout(20):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(outer)
