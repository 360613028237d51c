"""Polls: scenarios L1 to L9."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.scenarios.conftest import Register
from tests.scenarios.patience import eventually
from tests.scenarios.steps import NIL, Answer, Person, events, group, ws

_SECONDS = 60


def ahead(seconds: float) -> str:
    """A time `seconds` from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


async def ask(person: Person, conversation_id: str, **fields: Any) -> Answer:
    body = {
        "conversation_id": conversation_id,
        "question": "Where?",
        "poll_type": "single",
        "options": ["North", "South", "West"],
        **fields,
    }
    return await person.post("/v1/polls", body)


async def vote(person: Person, poll: Any, *places: int) -> Answer:
    chosen = [poll["options"][place]["option_id"] for place in places]
    return await person.post("/v1/polls/vote", {"poll_id": poll["poll_id"], "option_ids": chosen})


def counts(poll: Any) -> list[int]:
    return [option["vote_count"] for option in poll["options"]]


async def test_l1_what_no_poll_may_be(reg: Register) -> None:
    """Too few, too many, equal or blank options, a long question, an unknown type, a past end; a stranger."""
    a, b, d = await reg("a", "b", "d")
    g = (await group(a, [b]))["conversation_id"]
    for fields, named in (
        ({"options": ["one"]}, "options"),
        ({"options": [str(number) for number in range(11)]}, "options"),
        ({"options": ["Yes ", " yes"]}, "options[1]"),
        ({"options": ["Yes", "  "]}, "options[1]"),
        ({"question": "q" * 501}, "question"),
        ({"poll_type": "x"}, "poll_type"),
        ({"expires_at": ahead(-1)}, "expires_at"),
    ):
        answer = await ask(a, g, **fields)
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == [named]
    (await ask(d, g)).is_error(403, "FORBIDDEN")
    (await ask(a, NIL)).is_error(404, "NOT_FOUND")
    assert [event["kind"] for event in await events(a, g)].count("poll_created") == 0


async def test_l2_a_vote_is_counted_and_told(reg: Register) -> None:
    """Counts, shares and the own choice; events, frames and the message of the poll agree."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    async with ws(a) as watching:
        poll = (await ask(b, g, client_message_id="k")).ok(201)
        again = (await ask(b, g, client_message_id="k", question="Another?")).ok(200)
        assert again == poll
        assert (poll["creator_name"], poll["total_votes"], poll["user_voted"]) == ("User b", 0, False)
        created = await watching.frame(type="event", kind="poll_created")
        assert created["data"]["poll"] == poll
        voted = (await vote(b, poll, 0)).ok()
        told = await watching.frame(type="event", kind="poll_voted")
    assert counts(voted) == [1, 0, 0]
    assert voted["options"][0]["vote_percent"] == 100
    assert (voted["total_votes"], voted["total_voters"], voted["user_voted"]) == (1, 1, True)
    chosen = [poll["options"][0]["option_id"]]
    assert voted["user_vote_options"] == chosen
    data = told["data"]
    assert (data["poll_id"], data["target_seq"]) == (poll["poll_id"], poll["seq"])
    assert (data["user_id"], data["option_ids"], told["actor_id"]) == (b.user_id, chosen, b.user_id)
    assert (data["options"][0]["vote_count"], data["total_votes"], data["total_voters"]) == (1, 1, 1)

    assert (await b.get(f"/v1/polls/{poll['poll_id']}")).ok() == voted
    seen = (await a.get(f"/v1/polls/{poll['poll_id']}")).ok()
    assert (seen["user_voted"], counts(seen)) == (False, [1, 0, 0])
    (message,) = (await a.get(f"/v1/messages?conversation_id={g}")).ok()["messages"]
    assert (message["message_id"], message["message_type"]) == (poll["poll_id"], "poll")
    assert message["poll"] == seen
    log = {event["kind"]: event for event in await events(a, g)}
    assert log["poll_created"]["data"]["poll"] == seen, "read later, it is as it is now"
    assert log["poll_voted"]["data"] == data


async def test_l2_a_repeat_gets_the_first_result_whatever_changed(reg: Register) -> None:
    """The same client_message_id answers 200 after posting was restricted and the end came near (G10); not to
    somebody who was removed."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    poll = (await ask(b, g, client_message_id="k")).ok(201)
    (await a.put(f"/v1/conversations/{g}/settings", {"post_permission": "admins"})).ok()
    (await ask(b, g)).is_error(403, "FORBIDDEN")
    (await ask(b, g, client_message_id="other")).is_error(403, "FORBIDDEN")
    for fields in ({}, {"expires_at": ahead(30)}):
        again = (await ask(b, g, client_message_id="k", **fields)).ok(200)
        assert again["poll_id"] == poll["poll_id"]
    (await ask(b, g, client_message_id="other", expires_at=ahead(30))).is_error(400, "VALIDATION_ERROR")
    (await a.delete(f"/v1/conversations/{g}/participants/{b.user_id}")).ok()
    (await ask(b, g, client_message_id="k")).is_error(403, "FORBIDDEN")


async def test_l3_one_answer_for_good(reg: Register) -> None:
    """Another choice is refused, the same one changes nothing, two at once are too many."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    poll = (await ask(a, g)).ok(201)
    (await vote(b, poll, 0)).ok()
    head = len(await events(a, g))
    (await vote(b, poll, 1)).is_error(409, "ALREADY_VOTED")
    (await b.delete(f"/v1/polls/{poll['poll_id']}/vote")).is_error(409, "ALREADY_VOTED")
    assert counts((await vote(b, poll, 0)).ok()) == [1, 0, 0]
    (await vote(b, poll, 0, 1)).is_error(400, "MULTIPLE_OPTIONS_NOT_ALLOWED")
    (await a.delete(f"/v1/polls/{poll['poll_id']}/vote")).is_error(404, "NOT_FOUND")
    assert len(await events(a, g)) == head


async def test_l4_a_choice_is_replaced_as_a_whole(reg: Register) -> None:
    """Counts follow each change and the withdrawal; of 50 votes at once one choice counts."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    poll = (await ask(a, g, poll_type="multi", allow_vote_change=True)).ok(201)
    first = (await vote(b, poll, 0, 1)).ok()
    assert counts(first) == [1, 1, 0]
    assert [option["vote_percent"] for option in first["options"]] == [50, 50, 0]
    assert counts((await vote(b, poll, 2)).ok()) == [0, 0, 1]
    withdrawn = (await b.delete(f"/v1/polls/{poll['poll_id']}/vote")).ok()
    assert (counts(withdrawn), withdrawn["total_voters"], withdrawn["user_voted"]) == ([0, 0, 0], 0, False)
    last = (await events(a, g))[-1]
    assert (last["kind"], last["data"]["option_ids"]) == ("poll_voted", [])

    answers = await asyncio.gather(*(vote(b, poll, place % 3) for place in range(50)))
    refused = [answer for answer in answers if answer.status != 200]
    assert len(refused) < len(answers)
    for answer in refused:  # connections to a database on a server are kept for what cannot wait
        answer.is_error(503, "DB_POOL_EXHAUSTED")
    end = (await b.get(f"/v1/polls/{poll['poll_id']}")).ok()
    assert (sum(counts(end)), end["total_votes"], end["total_voters"]) == (1, 1, 1)
    assert len(end["user_vote_options"]) == 1


async def test_l5_votes_that_count_no_more(reg: Register) -> None:
    """Unknown, foreign, closed and expired polls; time closes a poll and says so."""
    a, b, d = await reg("a", "b", "d")
    g = (await group(a, [b]))["conversation_id"]
    expiring = (await ask(a, g, expires_at=ahead(_SECONDS + 1))).ok(201)
    poll, other = (await ask(a, g)).ok(201), (await ask(a, g)).ok(201)
    (await vote(b, {"poll_id": NIL, "options": poll["options"]}, 0)).is_error(404, "NOT_FOUND")
    (await vote(b, {"poll_id": poll["poll_id"], "options": other["options"]}, 0)).is_error(404, "NOT_FOUND")
    (await vote(d, poll, 0)).is_error(403, "FORBIDDEN")
    (await a.post("/v1/polls/close", {"poll_id": poll["poll_id"]})).ok()
    (await vote(b, poll, 0)).is_error(409, "POLL_CLOSED")
    (await b.delete(f"/v1/polls/{poll['poll_id']}/vote")).is_error(409, "POLL_CLOSED")
    (await vote(b, expiring, 1)).ok()

    async def closed() -> bool:
        last = (await events(b, g))[-1]
        return bool(last["kind"] == "poll_closed" and last["data"]["poll_id"] == expiring["poll_id"])

    await eventually(closed, _SECONDS + 10)
    (await vote(b, expiring, 0)).is_error(409, "POLL_EXPIRED")
    data = (await events(b, g))[-1]["data"]
    assert (data["by"], data["reason"], data["total_votes"]) == (None, "expired", 1)
    seen = (await a.get(f"/v1/polls/{expiring['poll_id']}")).ok()
    assert (seen["is_closed"], seen["close_reason"], counts(seen)) == (True, "expired", [0, 1, 0])
    late = datetime.fromisoformat(seen["closed_at"]) - datetime.fromisoformat(seen["expires_at"])
    assert timedelta(0) <= late <= timedelta(seconds=5)


async def test_l6_who_closes(reg: Register) -> None:
    """Its creator and admins, once; members do not, whatever they add to the request."""
    a, b, c = await reg("a", "b", "c")
    g = (await group(a, [b, c]))["conversation_id"]
    by_c = (await ask(c, g)).ok(201)
    (await b.post("/v1/polls/close", {"poll_id": by_c["poll_id"]})).is_error(403, "FORBIDDEN")
    forced = await b.post("/v1/polls/close", {"poll_id": by_c["poll_id"], "force": True})
    forced.is_error(403, "FORBIDDEN")
    closed = (await c.post("/v1/polls/close", {"poll_id": by_c["poll_id"]})).ok()
    assert (closed["is_closed"], closed["close_reason"]) == (True, "closed")
    head = len(await events(a, g))
    assert (await c.post("/v1/polls/close", {"poll_id": by_c["poll_id"]})).ok() == closed
    assert len(await events(a, g)) == head
    another = (await ask(c, g)).ok(201)
    (await a.post("/v1/polls/close", {"poll_id": another["poll_id"]})).ok()


async def test_l7_nobody_learns_who_chose_in_an_anonymous_poll(reg: Register) -> None:
    """No voters for anybody; events and frames name neither the user nor the choice."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    poll = (await ask(a, g, anonymous=True)).ok(201)
    option = poll["options"][1]["option_id"]
    async with ws(a) as watching:
        mine = (await vote(b, poll, 1)).ok()
        told = await watching.frame(type="event", kind="poll_voted")
    assert mine["user_vote_options"] == [option]
    assert (told["actor_id"], told["data"]["user_id"], told["data"]["option_ids"]) == (None, None, None)
    for person in (a, b):
        voters = await person.get(f"/v1/polls/{poll['poll_id']}/voters?option_id={option}")
        voters.is_error(403, "FORBIDDEN")
    stored = next(event for event in await events(a, g) if event["kind"] == "poll_voted")
    assert (stored["actor_id"], stored["data"]["user_id"], stored["data"]["option_ids"]) == (None, None, None)
    seen = (await a.get(f"/v1/polls/{poll['poll_id']}")).raw.decode()
    assert b.user_id not in seen


async def test_l8_lists_and_deletion(reg: Register) -> None:
    """Open ones, all of them page by page, voters; a deleted poll leaves an empty message."""
    a, b, d = await reg("a", "b", "d")
    g = (await group(a, [b]))["conversation_id"]
    polls = [(await ask(b, g, question=f"Question {number}?")).ok(201) for number in range(5)]
    (await a.post("/v1/polls/close", {"poll_id": polls[0]["poll_id"]})).ok()
    active = (await a.get(f"/v1/polls/active?conversation_id={g}")).ok()
    assert [poll["poll_id"] for poll in active["polls"]] == [poll["poll_id"] for poll in polls[:0:-1]]
    found: list[str] = []
    cursor = ""
    while True:
        page = (await a.get(f"/v1/polls?conversation_id={g}&limit=2{cursor}")).ok()
        found += [poll["poll_id"] for poll in page["polls"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == [poll["poll_id"] for poll in reversed(polls)]
    for path in (f"/v1/polls?conversation_id={g}", f"/v1/polls/{polls[1]['poll_id']}"):
        (await d.get(path)).is_error(403, "FORBIDDEN")

    last = polls[-1]
    for person in (a, b):
        (await vote(person, last, 0)).ok()
    path = f"/v1/polls/{last['poll_id']}/voters?option_id={last['options'][0]['option_id']}&limit=1"
    first = (await b.get(path)).ok()
    second = (await b.get(f"{path}&cursor={first['next_cursor']}")).ok()
    voters = [*first["voters"], *second["voters"]]
    assert [voter["user"]["user_id"] for voter in voters] == [a.user_id, b.user_id]
    assert (first["has_more"], second["has_more"]) == (True, False)

    (await d.delete(f"/v1/polls/{last['poll_id']}")).is_error(403, "FORBIDDEN")
    (await a.delete(f"/v1/polls/{last['poll_id']}")).ok()
    (await a.get(f"/v1/polls/{last['poll_id']}")).is_error(404, "NOT_FOUND")
    (await vote(b, last, 1)).is_error(404, "NOT_FOUND")
    message = (await b.get(f"/v1/messages/{last['poll_id']}")).ok()
    assert (message["content"], message["poll"], message["delete_reason"]) == ("", None, "moderator")
    log = await events(b, g)
    assert (log[-1]["kind"], log[-1]["data"]["target_seq"]) == ("message_deleted", last["seq"])
    created = next(event for event in log if event["seq"] == last["seq"])
    assert "Question 4" not in str(created)
    assert created["data"]["poll"]["options"] == []


async def test_lists_leave_out_what_the_reader_hid(reg: Register) -> None:
    """A hidden poll is in none of the reader's lists, at the end of a page neither; others see it."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    polls = [(await ask(a, g, question=f"Question {number}?")).ok(201)["poll_id"] for number in range(4)]
    (await b.delete(f"/v1/messages/{polls[2]}?scope=me")).ok()
    for person, seen in ((a, polls), (b, [polls[0], polls[1], polls[3]])):
        for path in ("/v1/polls", "/v1/polls/active"):
            found: list[str] = []
            page = (await person.get(f"{path}?conversation_id={g}&limit=2")).ok()
            found += [poll["poll_id"] for poll in page["polls"]]
            while page["has_more"]:
                cursor = page["next_cursor"]
                page = (await person.get(f"{path}?conversation_id={g}&limit=2&cursor={cursor}")).ok()
                found += [poll["poll_id"] for poll in page["polls"]]
            assert found == seen[::-1]


async def test_l9_a_hundred_people_vote_at_once(reg: Register) -> None:
    """Every vote counts, sums are right, and the log has no gap."""
    people = await reg(*(f"v{number}" for number in range(100)))
    a = people[0]
    g = (await group(a, people[1:]))["conversation_id"]
    poll = (await ask(a, g)).ok(201)
    limits = httpx.Limits(max_connections=20)
    async with httpx.AsyncClient(base_url=a.url, timeout=60, limits=limits) as line:
        answers = await asyncio.gather(
            *(
                line.post(
                    "/v1/polls/vote",
                    json={
                        "poll_id": poll["poll_id"],
                        "option_ids": [poll["options"][number % 3]["option_id"]],
                    },
                    headers={"authorization": f"Bearer {person.access}"},
                )
                for number, person in enumerate(people)
            )
        )
    assert {answer.status_code for answer in answers} == {200}
    end = (await a.get(f"/v1/polls/{poll['poll_id']}")).ok()
    assert (end["total_votes"], end["total_voters"], counts(end)) == (100, 100, [34, 33, 33])
    log = await events(a, g)
    assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
    told = [event["data"]["total_votes"] for event in log if event["kind"] == "poll_voted"]
    assert told == list(range(1, 101)), "each event tells the state right after it"


async def test_e1_a_poll_in_an_encrypted_conversation(reg: Register) -> None:
    """A plain one is refused; an encrypted one is kept as it is."""
    a, b = await reg("a", "b")
    g = (await group(a, [b], is_e2ee_enabled=True))["conversation_id"]
    (await ask(a, g)).is_error(409, "E2EE_REQUIRED")
    opaque = ["AA==" * 200, "BB== ", "bb== "]
    poll = (await ask(a, g, is_encrypted=True, question="CC==" * 300, options=opaque)).ok(201)
    assert [option["option_text"] for option in poll["options"]] == opaque


async def test_a_poll_voted_on_a_socket(reg: Register) -> None:
    """The command gives the poll and the seq of its event; the same choice again gives none."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    poll = (await ask(a, g)).ok(201)
    choice = {"poll_id": poll["poll_id"], "option_ids": [poll["options"][2]["option_id"]]}
    async with ws(b) as chat:
        first = await chat.command("poll_vote", **choice)
        told = await chat.frame(type="event", kind="poll_voted")
        again = await chat.command("poll_vote", **choice)
    assert (first["type"], first["seq"], counts(first["poll"])) == ("ack", told["seq"], [0, 0, 1])
    assert (again["seq"], again["poll"]) == (None, first["poll"])
