"""Lines from a pipe: whole, in order, the last one too when it has no end."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from secureconnect.app.terminal.console import PipeConsole


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


async def test_lines_come_whole_and_in_order(pipe: tuple[int, int]) -> None:
    console = PipeConsole(pipe[0])
    os.write(pipe[1], "one\r\ntwo ✓\n\nla".encode())
    assert [await console.read("") for _ in range(3)] == ["one", "two ✓", ""]
    os.write(pipe[1], b"st \xff")
    os.close(pipe[1])
    assert await console.read("") == "last \ufffd"
    assert await console.read("") is None


async def test_a_read_that_is_given_up_keeps_nothing_waiting(pipe: tuple[int, int]) -> None:
    console = PipeConsole(pipe[0])
    read = asyncio.create_task(console.read(""))
    await asyncio.sleep(0)
    read.cancel()
    await asyncio.wait([read])
    os.write(pipe[1], b"x\n")
    os.close(pipe[1])
    assert await console.read("") is None  # the line went to the read that was given up


def test_output_is_one_line_per_call(capsys: pytest.CaptureFixture[str], pipe: tuple[int, int]) -> None:
    console = PipeConsole(pipe[0])
    console.show("hello")
    assert capsys.readouterr().out == "hello\n"
    assert console.draft() == ""
    assert not console.interactive
    os.close(pipe[1])
