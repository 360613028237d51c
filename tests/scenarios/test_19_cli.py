"""The command line: scenarios K1, K3 and K9. Backups and doctor are not in this version."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.audit import audited
from tests.scenarios.commands import Outcome, make_admin, secureconnect
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.profiles import PROFILE, Profile
from tests.scenarios.server import Server, free_port
from tests.scenarios.steps import PASSWORD, Person, direct, request, stranger


async def create(server: Server, person: Person, password: str = PASSWORD, **fields: Any) -> Outcome:
    """`createadmin` beside a running server."""
    file = server.data_dir.parent / f"{person.username}.txt"
    file.write_text(f"{password}\n")
    return await secureconnect(
        "createadmin",
        "--data-dir",
        server.data_dir,
        "--email",
        fields.get("email", person.email),
        "--username",
        fields.get("username", person.username),
        "--password-file",
        file,
        cwd=server.data_dir.parent,
        beside=server,
    )


def settings(markdown: str) -> set[str]:
    """The keys that a reference of settings has rows for, as `section.key`; not those of tables in lists."""
    found: set[str] = set()
    section = ""
    for line in markdown.splitlines():
        if line.startswith("#"):
            section = line[3:] if line.startswith("## ") else ""
        elif section and line.startswith("| ") and not line.startswith("| Key "):
            found.add(f"{section}.{line.split('|')[1].split()[0]}")
    return found


async def test_k1_documents(server: Server, tmp_path: Path) -> None:
    """version, config doc, openapi and asyncapi end with 0; the documents are those that are served."""
    told = await secureconnect("version", "--json", cwd=tmp_path)
    assert told.code == 0
    assert told.json["version"]
    assert told.json["schema"]["relational"] >= 1

    documented = await secureconnect("config", "doc", cwd=tmp_path)
    shown = await secureconnect("config", "show", "--json", cwd=tmp_path)
    assert (documented.code, shown.code) == (0, 0)
    assert settings(documented.out.decode()) == set(shown.json)

    for name in ("openapi", "asyncapi"):
        served = await request(server.url, "GET", f"/{name}.json")
        printed = await secureconnect(name, cwd=tmp_path)
        assert printed.code == 0, printed.err
        described = printed.out
        if name == "openapi" and PROFILE is not Profile.EMBEDDED:
            # An object store elsewhere has URLs of its own.
            document, here = json.loads(printed.out), json.loads(served.raw)
            ours = {path for path in document["paths"] if path.startswith("/v1/storage/objects/")}
            assert document["paths"].keys() - here["paths"].keys() == ours
            document["paths"] = {path: document["paths"][path] for path in here["paths"]}
            assert document["paths"] == here["paths"]
        else:
            assert printed.out == served.raw
        assert printed.err == ""
        written = await secureconnect(name, "--out", "document.json", cwd=tmp_path)
        assert (written.code, written.out) == (0, b"")
        assert (tmp_path / "document.json").read_bytes() == described


async def test_k3_createadmin(server: Server, reg: Register) -> None:
    """A new admin logs in and reads the audit trail; a user can be promoted; wrong input changes nothing."""
    admin = await make_admin(server)
    (await admin.get("/v1/admin/audit-logs")).ok()
    assert (await admin.get("/v1/auth/profile")).ok()["role"] == "admin"
    await audited(admin, "admin_user_created", target_id=admin.user_id, actor_type="system")

    (a,) = await reg("a")
    (await a.get("/v1/admin/audit-logs")).is_error(403, "FORBIDDEN")
    promoted = await create(server, a, email=a.email.upper(), password="Not-Their-Password-9")
    assert promoted.code == 0, promoted.err
    # The role is read with every request, and the password stays the user's own.
    (await a.get("/v1/admin/audit-logs")).ok()
    assert (await a.login()).user_id == a.user_id

    refused = await create(server, stranger(server.url, "x"), username=a.username)
    assert (refused.code, "username" in refused.err) == (1, True)
    refused = await create(server, stranger(server.url, "x"), password="password1234")
    assert (refused.code, "password" in refused.err) == (1, True)
    assert "password1234" not in refused.err
    refused = await create(server, stranger(server.url, "x"), email="nowhere")
    assert (refused.code, "email" in refused.err) == (1, True)
    assert "Traceback" not in refused.err


@pytest.mark.only_on("embedded", reason="it is about the data directory of one process")
async def test_k9_one_process_per_directory(serve: Serve, reg: Register) -> None:
    """A second start on the same directory ends with 1; the first goes on."""
    async with serve() as first:
        a, b = await reg("a", "b", url=first.url)
        second = await secureconnect(
            "serve",
            "--data-dir",
            first.data_dir,
            "--port",
            str(free_port()),
            cwd=first.data_dir.parent,
        )
        assert second.code == 1
        assert str(first.data_dir) in second.err
        assert "Traceback" not in second.err
        await direct(a, b)
        assert first.alive

        # The same port with another directory: 1 as well.
        other = await secureconnect(
            "serve", "--data-dir", "other", "--port", str(first.port), cwd=first.data_dir.parent
        )
        assert other.code == 1
        assert str(first.port) in other.err
        (await a.get("/v1/users/me")).ok()


@pytest.mark.only_on("embedded", reason="it needs no server")
async def test_messages_move_only_where_cassandra_is(tmp_path: Path) -> None:
    """Without its nodes nothing is made or touched, and the command says what it lacks."""
    told = await secureconnect("migrate", "timeline", "--data-dir", tmp_path / "data", cwd=tmp_path)
    assert (told.code, "timeline.hosts" in told.err) == (2, True)
    assert not (tmp_path / "data").exists()
