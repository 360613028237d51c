"""Lines in and out of a terminal or a pipe, beside a running event loop."""

import asyncio
import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

__all__ = ["Console", "PipeConsole", "TerminalConsole", "open_console"]


class Console(Protocol):
    """Where a person types and reads."""

    @property
    def interactive(self) -> bool:
        """True when a person sees what they type."""

    async def read(self, prompt: str) -> str | None:
        """The next line without its end; None at the end of the input."""

    def show(self, text: str) -> None:
        """Write whole lines, above the line that is being typed."""

    def draft(self) -> str:
        """What is typed and not sent yet."""


class _Reader:
    """A thread that reads a line when it is asked to.

    A daemon, since nothing can interrupt a read from a terminal: it must not keep the process alive.
    """

    def __init__(self, read_line: Callable[[str], str | None]) -> None:
        self._read_line = read_line
        self._asked: queue.SimpleQueue[tuple[str, asyncio.Future[str | None]]] = queue.SimpleQueue()
        self.prompt: str | None = None  # while a line is being typed
        threading.Thread(target=self._run, name="terminal input", daemon=True).start()

    async def __call__(self, prompt: str) -> str | None:
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._asked.put((prompt, answer))
        return await answer

    def _run(self) -> None:
        while True:
            prompt, answer = self._asked.get()
            self.prompt = prompt
            line = self._read_line(prompt)
            self.prompt = None
            with contextlib.suppress(RuntimeError):  # the loop is closed: the program is ending
                answer.get_loop().call_soon_threadsafe(_settle, answer, line)


def _settle(answer: asyncio.Future[str | None], line: str | None) -> None:
    if not answer.done():
        answer.set_result(line)


class PipeConsole:
    """Input from a pipe or a file."""

    interactive = False

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._buffer = b""
        self._reader = _Reader(lambda _prompt: self._line())

    async def read(self, prompt: str) -> str | None:
        return await self._reader(prompt)

    def show(self, text: str) -> None:
        print(text, flush=True)

    def draft(self) -> str:
        return ""

    def _line(self) -> str | None:
        # Not sys.stdin: its lock, held by a thread that waits, would make the exit of the process fail.
        while b"\n" not in self._buffer:
            part = os.read(self._descriptor, 65536)
            if not part:
                break
            self._buffer += part
        if not self._buffer:
            return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode("utf-8", "replace").removesuffix("\r")


class TerminalConsole:
    """A terminal, with the line editing of the readline library."""

    interactive = True

    def __init__(self) -> None:
        import readline

        self._readline = readline
        self._reader = _Reader(self._line)

    async def read(self, prompt: str) -> str | None:
        return await self._reader(prompt)

    def show(self, text: str) -> None:
        prompt = self._reader.prompt
        again = "" if prompt is None else prompt + self.draft()
        # Back to the start of the line, erase it, and write it again below the text.
        sys.stdout.write(f"\r\x1b[K{text}\n{again}")
        sys.stdout.flush()

    def draft(self) -> str:
        return self._readline.get_line_buffer() if self._reader.prompt is not None else ""

    def _line(self, prompt: str) -> str | None:
        try:
            return input(prompt)
        except EOFError:
            return None


@contextlib.contextmanager
def open_console() -> Iterator[Console]:
    """The console of this process; a terminal gets its settings back at the end."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield PipeConsole(sys.stdin.fileno())
        return
    import termios

    before = termios.tcgetattr(sys.stdin)
    try:
        yield TerminalConsole()
    finally:
        # The reader may still be inside readline, which has changed them.
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        sys.stdout.write("\r\x1b[K")
