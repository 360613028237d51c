"""What is done at one process shows at the other: nothing that a process remembers is only its own."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.processes.pair import Pair, at, lines, metric, two_processes
from tests.scenarios.commands import secureconnect
from tests.scenarios.patience import eventually
from tests.scenarios.steps import Person, direct, group, register, request, send, stranger, ws


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    settings: dict[str, dict[str, Any]] = {"presence": {"min_interval": 0.2, "offline_grace": 0.5}}
    async with two_processes(tmp_path_factory.mktemp("pair"), **settings) as started:
        yield started


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def two_people(pair: Pair) -> tuple[Person, Person]:
    """Ann at one process, Ben at the other."""
    ann = await register(stranger(pair.one.url, "ann"))
    return ann, at(pair.two, await register(stranger(pair.two.url, "ben")))


async def test_messages_of_both_are_one_log(pair: Pair) -> None:
    ann, ben = await two_people(pair)
    chat = (await direct(ann, ben))["conversation_id"]
    async with ws(ann) as here, ws(ben) as there, ws(at(pair.two, await ann.login())) as both:
        await asyncio.gather(
            *(send((ann, ben)[number % 2], chat, str(number), f"k{number}") for number in range(40))
        )
        for socket in (here, there, both):
            await socket.frame(type="event", seq=41)
            assert [event["seq"] for event in socket.events(chat)] == list(range(2, 42))
        # The key of a message is known everywhere.
        again = await send(at(pair.two, ann), chat, "0", "k0")
        assert again.status == 200
    contents = [event["data"]["message"]["content"] for event in here.events(chat)]
    assert contents == [event["data"]["message"]["content"] for event in there.events(chat)]
    assert sorted(contents, key=int) == [str(number) for number in range(40)]


async def test_resume_at_the_other_process(pair: Pair) -> None:
    ann, ben = await two_people(pair)
    chat = (await direct(ann, ben))["conversation_id"]
    async with ws(ben) as there:
        (await send(ann, chat, "one")).ok(201)
        await there.frame(type="event", seq=2)
    for text in ("two", "three"):
        (await send(ann, chat, text)).ok(201)
    async with ws(at(pair.one, ben), resume={chat: 2}) as here:
        await here.frame(type="event", seq=4)
        assert [event["seq"] for event in here.events(chat)] == [3, 4]


async def test_who_was_removed_over_there_may_nothing_here(pair: Pair) -> None:
    ann, ben = await two_people(pair)
    room = (await group(ann, [ben]))["conversation_id"]
    (await send(ben, room, "warm: the facts are cached")).ok(201)
    async with ws(ben) as there:
        (await ann.delete(f"/v1/conversations/{room}/participants/{ben.user_id}")).ok()
        (await send(ben, room, "too late")).is_error(403, "FORBIDDEN")
        await there.frame(type="conversation_removed", conversation_id=room)
        assert there.events(room)[-1]["kind"] == "member_removed"
    (await ann.post(f"/v1/conversations/{room}/participants", {"user_ids": [ben.user_id]})).ok()
    (await send(ben, room, "back")).ok(201)


async def test_names_and_settings_change_everywhere(pair: Pair) -> None:
    ann, ben = await two_people(pair)
    room = (await group(ann, [ben]))["conversation_id"]
    (await send(ben, room, "warm")).ok(201)
    (await ann.get(f"/v1/users/{ben.user_id}")).ok()
    (await ben.patch("/v1/users/me", {"display_name": "Benjamin"})).ok()
    assert await _is(_name(ann, ben.user_id), "Benjamin")


async def test_typing_receipts_presence_and_notifications_cross(pair: Pair) -> None:
    ann, ben = await two_people(pair)
    chat = (await direct(ann, ben))["conversation_id"]
    async with ws(ann) as here:
        answer = await here.command("subscribe_presence", user_ids=[ben.user_id])
        assert answer["presence"][0]["status"] == "offline"
        async with ws(ben) as there:
            await here.frame(type="presence", user_id=ben.user_id, status="online")
            await there.command("typing", conversation_id=chat, is_typing=True)
            await here.frame(type="typing", user_id=ben.user_id)
            (await send(ann, chat, "hello")).ok(201)
            await there.frame(type="notification")
            await there.command("read", conversation_id=chat, seq=2)
            await here.frame(type="receipt", kind="read", user_id=ben.user_id, seq=2)
            status = (await ann.get(f"/v1/presence?user_ids={ben.user_id}")).ok()["presence"][0]["status"]
            assert status == "online"
        await here.frame(type="presence", user_id=ben.user_id, status="offline", timeout=20)


async def test_sessions_end_everywhere(pair: Pair) -> None:
    ann = await register(stranger(pair.one.url, "ann"))
    other = at(pair.two, await ann.login())
    (await other.get("/v1/users/me")).ok()
    async with ws(other) as there:
        began = time.monotonic()
        (await ann.delete(f"/v1/auth/sessions/{other.session_id}")).ok()
        assert await there.close_code() == 4003
        print(f"socket closed after {time.monotonic() - began:.2f} s")
    assert (await other.get("/v1/users/me")).status == 401


async def test_rate_limits_are_shared(tmp_path: Path) -> None:
    limits = {"enabled": True, "users_me": 6, "register": 0}
    async with two_processes(tmp_path, rate_limits=limits) as pair:
        ann = await register(stranger(pair.one.url, "ann"))
        answers = [await at(pair.pieces[number % 2], ann).get("/v1/users/me") for number in range(7)]
        assert [answer.status for answer in answers] == [200] * 6 + [429]
        assert answers[5].headers["x-ratelimit-remaining"] == "0"


async def test_idempotency_keys_are_shared(pair: Pair) -> None:
    ann, ben = await two_people(pair)
    body = {"type": "group", "title": "Once", "participant_ids": [ann.user_id, ben.user_id]}
    headers = {"idempotency-key": "once"}
    answers = await asyncio.gather(
        *(at(piece, ann).post("/v1/conversations", body, headers=headers) for piece in pair.pieces * 3)
    )
    made = {answer.data["conversation_id"] for answer in answers if answer.status == 201}
    assert len(made) == 1
    assert all(answer.status == 201 or answer.error["code"] == "REQUEST_IN_PROGRESS" for answer in answers)


async def test_what_one_writes_the_other_finds(pair: Pair) -> None:
    ann, ben = await two_people(pair)
    chat = (await direct(ann, ben))["conversation_id"]
    sent = (await send(ann, chat, "a needle in a haystack")).ok(201)["message_id"]

    async def found() -> bool:
        answer = await ben.get("/v1/messages/search?query=needle")
        return [hit["message_id"] for hit in answer.ok()["messages"]] == [sent]

    await eventually(found, seconds=10)


async def test_a_scheduled_message_is_sent_once_and_shows_everywhere(pair: Pair) -> None:
    ann, ben = await two_people(pair)
    chat = (await direct(ann, ben))["conversation_id"]
    async with ws(ben) as there, ws(ann) as here:
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 13))
        body = {"conversation_id": chat, "content": "later", "message_type": "text", "send_at": soon}
        (await ann.post("/v1/messages/scheduled", body)).ok(201)
        await there.frame(type="event", seq=2, timeout=40)
        await here.frame(type="event", seq=2, timeout=40)
        (await send(ben, chat, "after")).ok(201)
        await there.frame(type="event", seq=3)
        assert len(there.events(chat)) == 2


async def _name(person: Person, user_id: str) -> str:
    return str((await person.get(f"/v1/users/{user_id}")).ok()["user"]["display_name"])


async def _is(value: Awaitable[str], wanted: str) -> bool:
    return await value == wanted


async def test_one_runs_the_jobs_and_the_other_takes_over(tmp_path: Path) -> None:
    """A process that is killed is followed within 30 s, and what it had not told of is told."""
    async with two_processes(tmp_path) as pair:

        async def runs() -> list[float]:
            return [await metric(piece, "job_runs_total", job="scheduled_messages") for piece in pair.pieces]

        await eventually(lambda: _any(runs()), seconds=30)
        before = await runs()
        runner = max((0, 1), key=before.__getitem__)
        assert before[1 - runner] == 0
        killed, left = pair.pieces[runner], pair.pieces[1 - runner]
        ann = await register(stranger(killed.url, "ann"))
        ben = at(left, await register(stranger(left.url, "ben")))
        chat = (await direct(ann, ben))["conversation_id"]
        (await send(ann, chat, "the last one")).ok(201)
        killed.signal(signal.SIGKILL)
        began = time.monotonic()

        async def took_over() -> bool:
            return await metric(left, "job_runs_total", job="scheduled_messages") > 0

        await eventually(took_over, seconds=60)
        print(f"jobs taken over after {time.monotonic() - began:.1f} s")

        async def told() -> bool:
            inbox = (await ben.get("/v1/notifications")).ok()["notifications"]
            return any(entry["data"].get("conversation_id") == chat for entry in inbox)

        await eventually(told, seconds=40)
        assert lines(left, message="another process died")
        with contextlib.suppress(ProcessLookupError):
            killed.signal(signal.SIGKILL)


async def _any(values: Awaitable[list[float]]) -> bool:
    return any(await values)


async def test_a_new_signing_key_is_known_to_all_at_once(pair: Pair) -> None:
    admin = await _admin(pair)
    (await admin.post("/v1/admin/keys/rotate")).ok()
    ann = await register(stranger(pair.one.url, "ann"))
    (await at(pair.two, ann).get("/v1/users/me")).ok()
    ben = await register(stranger(pair.two.url, "ben"))
    (await at(pair.one, ben).get("/v1/users/me")).ok()


async def test_a_ban_ends_everything_everywhere(pair: Pair) -> None:
    admin = await _admin(pair)
    ben = at(pair.two, await register(stranger(pair.two.url, "ben")))
    async with ws(ben) as there:
        ban = {"user_id": ben.user_id, "permanent": True, "reason": "spam, again and again"}
        (await admin.post("/v1/admin/users/ban", ban)).ok()
        assert await there.close_code() == 4004
    login = {"email": ben.email, "password": ben.password}
    assert (await request(pair.two.url, "POST", "/v1/auth/login", login)).status == 403


async def _admin(pair: Pair) -> Person:
    """A server admin at the first process."""
    person = stranger(pair.one.url, "admin")
    password = pair.directory / f"{person.username}.password"
    password.write_text(f"{person.password}\n")
    who = ("--email", person.email, "--username", person.username, "--password-file", password)
    sections: dict[str, Any] = dict(pair.settings)
    made = await secureconnect(
        "createadmin", "--data-dir", pair.directory / "tool", *who, cwd=pair.directory, **sections
    )
    assert made.code == 0, made.err
    return await person.login()
