"""Inbound messages in the console: whose they are, masked numbers and texts, and revealing one."""

from uuid import UUID

import pytest

from pipeline.stages import inbound
from pipeline.stages.admin.accounts import create_account
from schema.carriage import Inbound
from schema.vocabulary import Role
from tests.workers.console.conftest import Console, Eyes, open_as

NUMBER, PHONE = "+447700900100", "+2348012345678"
BODY = "<script>alert('hello')</script>"


@pytest.fixture(scope="module")
def support(console: Console) -> str:
    return console.add_user("sam", Role.SUPPORT)


@pytest.fixture(scope="module")
def message(console: Console) -> UUID:
    """What a handset sent to the world's account."""
    console.world.run(
        "INSERT INTO sender_ids (account_id, sender) VALUES (%(id)s, %(sender)s)",
        id=console.world.account,
        sender=NUMBER,
    )
    inbound.keep(console.rt, [Inbound("alpha", "k1", PHONE, NUMBER, BODY, at=None)])
    inbound.reply(console.rt)
    [found] = console.world.rows("SELECT id FROM inbound_messages WHERE body = %(body)s", body=BODY)
    return UUID(str(found))


def test_numbers_and_texts_are_masked_until_they_are_revealed_which_is_logged(
    console: Console, support: str, message: UUID
) -> None:
    visitor = console.visitor(support)

    masked = [visitor.get(path).text for path in ("/inbound?account=acme", f"/inbound/{message}")]
    revealed = visitor.post(f"/inbound/{message}/reveal").text

    assert all(f"/inbound/{message}" in each for each in masked)
    assert not any(PHONE in each or "hello" in each for each in masked)
    assert PHONE in revealed
    assert "&lt;script&gt;alert(&#39;hello&#39;)" in revealed
    logged = console.world.rows(
        "SELECT actor, action, account_id FROM audit_log WHERE subject = %(id)s ORDER BY id DESC LIMIT 1",
        id=str(message),
    )
    assert logged == [(support, "console POST /inbound/{id}/reveal", console.world.account)]


def test_without_the_right_nothing_is_revealed(console: Console, message: UUID) -> None:
    visitor = console.visitor(console.add_user("vera", Role.VIEWER))

    assert visitor.get(f"/inbound/{message}").status == 200
    assert visitor.post(f"/inbound/{message}/reveal").status == 403


def test_a_user_of_an_account_sees_its_own_alone(console: Console, message: UUID) -> None:
    create_account(console.rt, "other", "EUR")
    visitor = console.visitor(console.add_user("otto", Role.ADMIN, account="other"))

    answers = [visitor.get(f"/inbound/{message}").status, visitor.post(f"/inbound/{message}/reveal").status]

    assert answers == [404, 404]
    assert not any(str(message) in visitor.get(path).text for path in ("/inbound", "/inbound?account=acme"))


def test_pages_have_each_message_once_and_the_latest_first(console: Console, support: str, message: UUID) -> None:
    inbound.keep(console.rt, [Inbound("alpha", f"many{n}", PHONE, "8080", "again", at=None) for n in range(120)])
    inbound.reply(console.rt)
    wanted = [str(each) for each in console.world.rows("SELECT id FROM inbound_messages ORDER BY id DESC")]
    visitor = console.visitor(support)
    path, found = "/inbound", []

    while path:
        page = visitor.get(path).text
        found += [each.partition('"')[0] for each in page.split('<td><a href="/inbound/')[1:]]
        path = page.partition('<p class="pages"><a href="')[2].partition('"')[0].replace("&amp;", "&")

    assert found == wanted
    assert visitor.get("/inbound?cursor=nonsense").status == 422


def test_the_pages_look_well(console: Console, eyes: Eyes, support: str, message: UUID) -> None:
    page = open_as(eyes, console, support)

    page.goto(f"{console.url}/inbound?account=acme")
    eyes.look(page, "inbound")
    page.goto(f"{console.url}/inbound/{message}")
    page.get_by_role("button", name="Show number").click()
    page.get_by_text(PHONE).wait_for()
    eyes.look(page, "inbound-message")
