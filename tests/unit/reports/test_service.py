"""Who may report what, and what is done about it."""

from typing import Any

from secureconnect.features.messages.service import SendRequest
from secureconnect.features.reports.service import ReportService
from secureconnect.kit.ids import new_id
from tests.unit.conversations.world import CONTEXT, caller, refusal
from tests.unit.reports.world import World


async def test_only_what_one_can_see_can_be_reported(w: World) -> None:
    a, b, c = await w.around.people("a", "b", "c")
    g = await w.around.group(a, b, history_visibility="joined")
    message_id = await w.said(a, g)
    await w.report(b, "message", message_id)
    await w.report(b, "conversation", g)
    await w.report(c, "user", a)
    assert await refusal(w.report(c, "message", message_id)) == "FORBIDDEN"
    assert await refusal(w.report(c, "conversation", g)) == "FORBIDDEN"
    for target in ("user", "message", "conversation"):
        assert await refusal(w.report(a, target, new_id())) == "NOT_FOUND"
    await w.around.cases.membership.add(caller(a), g, [c])
    assert await refusal(w.report(c, "message", message_id)) == "FORBIDDEN"
    await w.report(c, "message", await w.said(a, g))
    assert len(await w.listed(a)) == 4


async def test_content_comes_along_only_when_asked_for_and_readable(w: World) -> None:
    a, b = await w.around.people("a", "b")
    g = await w.around.group(a, b)
    plain = await w.said(a, g, "rude words")
    sent = await w.around.sending.send(caller(a).principal, SendRequest(g, "ciphertext", is_encrypted=True))
    for message_id, asked in ((plain, False), (plain, True), (sent.message.message_id, True)):
        await w.report(b, "message", message_id, content=asked)
    await w.report(b, "user", a, content=True)
    page = await w.service.page(caller(a).principal, CONTEXT, None, before=None, limit=10)
    assert [report.content for report in page.items] == [None, None, "rude words", None]
    assert all("rude" not in str(entry) and "nice" not in str(entry) for entry in w.around.trail.entries)


async def test_a_report_is_resolved_once(w: World) -> None:
    admin, a, b = await w.around.people("admin", "a", "b")
    report_id = await w.report(b, "user", a)
    report = await w.resolve(admin, report_id, "dismiss")
    assert (report.status, report.action, report.note, report.resolved_by) == (
        "resolved",
        "dismiss",
        "so be it",
        admin,
    )
    assert await w.service.page(caller(admin).principal, CONTEXT, "resolved", before=None, limit=1) == (
        await w.service.page(caller(admin).principal, CONTEXT, None, before=None, limit=1)
    )
    assert await w.listed(admin) == []
    assert await refusal(w.resolve(admin, report_id, "ban_user")) == "CONFLICT"
    assert await refusal(w.resolve(admin, new_id(), "dismiss")) == "NOT_FOUND"
    assert w.bans.banned == {}
    assert w.around.audited.count("report_resolved") == 1


async def test_a_reported_message_is_deleted(w: World) -> None:
    admin, a, b = await w.around.people("admin", "a", "b")
    g = await w.around.group(a, b)
    message_id = await w.said(a, g)
    first, second = [await w.report(b, "message", message_id) for _ in range(2)]
    await w.resolve(admin, first, "delete_message")
    assert w.removal.asked == [(message_id, None, "moderator")]
    entry = next(e for e in w.around.trail.entries if e.event == "message_deleted_by_moderator")
    assert (entry.actor_id, entry.actor_type, entry.target_id) == (admin, "admin", message_id)
    await w.resolve(admin, second, "delete_message")
    assert len(w.removal.asked) == 1
    w.removal.gone = True
    third = await w.report(b, "message", await w.said(a, g))
    assert (await w.resolve(admin, third, "delete_message")).status == "resolved"
    assert w.around.audited.count("message_deleted_by_moderator") == 1


async def test_the_one_who_said_or_is_it_is_banned(w: World) -> None:
    admin, a, b = await w.around.people("admin", "a", "b")
    g = await w.around.group(a, b)
    await w.resolve(admin, await w.report(b, "message", await w.said(a, g)), "ban_user")
    await w.resolve(admin, await w.report(a, "user", b), "ban_user")
    assert w.bans.banned == {a: "so be it", b: "so be it"}
    again = await w.report(b, "user", a)
    assert await refusal(w.resolve(admin, again, "ban_user")) == "CONFLICT"
    assert await w.listed(admin) == [again]


async def test_actions_that_do_not_fit_leave_the_report_open(w: World) -> None:
    admin, a, b = await w.around.people("admin", "a", "b")
    g = await w.around.group(a, b)
    wrong = [
        (await w.report(b, "user", a), "delete_message"),
        (await w.report(b, "conversation", g), "delete_message"),
        (await w.report(b, "conversation", g), "ban_user"),
    ]
    for report_id, action in wrong:
        assert await refusal(w.resolve(admin, report_id, action)) == "CONFLICT"
    assert sorted(await w.listed(admin)) == sorted(report_id for report_id, _ in wrong)


async def test_a_walk_meets_every_report_once_newest_first(w: World) -> None:
    admin, a, b = await w.around.people("admin", "a", "b")
    made = [await w.report(b, "user", a) for _ in range(5)]
    found: list[str] = []
    before: Any = None
    while True:
        page = await pages(w.service, admin, before)
        found += [report.report_id for report in page.items]
        if page.after is None:
            break
        (before,) = page.after
        await w.report(b, "user", a)
    assert found == made[::-1]


async def pages(service: ReportService, admin: str, before: str | None) -> Any:
    return await service.page(caller(admin).principal, CONTEXT, "open", before=before, limit=2)
