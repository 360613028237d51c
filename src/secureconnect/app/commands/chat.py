"""`chat`: talk to people from a terminal or a pipe."""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from secureconnect.app.commands.declare import Commands, command
from secureconnect.app.commands.password import read_password
from secureconnect.app.failure import Failure

if TYPE_CHECKING:
    from secureconnect.app.terminal.console import Console
    from secureconnect.client import AuthResult, Client, SecondFactorRequired

__all__ = ["add"]


def add(commands: Commands, everywhere: argparse.ArgumentParser) -> None:
    """Declare the command."""
    parser = command(commands, everywhere, "chat", "talk to people from this terminal", _run)
    parser.add_argument(
        "--url",
        default="http://127.0.0.1:8080",
        metavar="URL",
        help="address of the server (http://127.0.0.1:8080)",
    )
    parser.add_argument("--user", metavar="NAME", help="username or e-mail address; else asks")
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        help="read the password there, without its last line end; else asks",
    )
    parser.add_argument("--register", action="store_true", help="create the account first")
    parser.add_argument("--email", metavar="ADDRESS", help="with --register; else asks")
    parser.add_argument("--display-name", metavar="NAME", help="with --register; else the username")


def _run(arguments: argparse.Namespace) -> int:
    from secureconnect.app.terminal.console import open_console
    from secureconnect.client import ClientError

    _complete(arguments)
    with open_console() as console:
        try:
            return asyncio.run(_talk(arguments, console))
        except ClientError as error:
            raise Failure(str(error)) from error
        except KeyboardInterrupt:
            return 0


def _complete(arguments: argparse.Namespace) -> None:
    """Ask for what the command line does not say."""
    arguments.user = arguments.user or _ask("Username: ", "--user")
    if arguments.register:
        arguments.email = arguments.email or _ask("E-mail: ", "--email")
        arguments.display_name = arguments.display_name or arguments.user
    arguments.password = read_password(arguments.password_file, twice=arguments.register)


async def _talk(arguments: argparse.Namespace, console: "Console") -> int:
    from secureconnect.app.terminal.book import Book
    from secureconnect.app.terminal.talk import Talk
    from secureconnect.client import Client

    try:
        client = Client(arguments.url)
    except ValueError as error:
        raise Failure(str(error), exit_code=2) from error
    async with client:
        me = (await _enter(client, arguments, console)).user
        # The chat first, then the list: nothing that happens between them is missed.
        async with client.chat() as chat:
            console.show(f"Hello {me.display_name}. /help shows what you can do.")
            return await Talk(client, chat, console, Book(client, me)).run()


async def _enter(client: "Client", arguments: argparse.Namespace, console: "Console") -> "AuthResult":
    from secureconnect.client import SecondFactorRequired

    device = "terminal"
    if arguments.register:
        return await client.auth.register(
            email=arguments.email,
            username=arguments.user,
            password=arguments.password,
            display_name=arguments.display_name,
            device_name=device,
        )
    name = {"email" if "@" in arguments.user else "username": arguments.user}
    try:
        return await client.auth.login(**name, password=arguments.password, device_name=device)
    except SecondFactorRequired as step:
        return await _second_step(client, step, console)


async def _second_step(client: "Client", step: "SecondFactorRequired", console: "Console") -> "AuthResult":
    """Ask for codes until one is right or the server has had enough."""
    from secureconnect.client import InvalidRequest, WrongCode

    if not {"totp", "recovery_code"} & set(step.methods):
        raise Failure("this account asks for a passkey, which a terminal cannot give")
    console.show("This account asks for a code of your authenticator app, or a recovery code.")
    while (code := await console.read("Code: ")) is not None:
        typed = "".join(code.split())
        method = "totp" if typed.isdecimal() and len(typed) == 6 else "recovery_code"
        try:
            return await client.auth.verify(step.mfa_token, typed, method=method)
        except (InvalidRequest, WrongCode):
            console.show("! that code is wrong, or was used before")
    raise Failure("the login needs a code")


def _ask(question: str, option: str) -> str:
    if not sys.stdin.isatty():
        raise Failure(f"there is no terminal to ask: give {option}", exit_code=2)
    answer = input(question).strip()
    if not answer:
        raise Failure(f"{option} is needed", exit_code=2)
    return answer
