"""Dead letters in the console: masked, revealed, dropped, and put into their queue again."""

import json
from collections.abc import Iterator
from contextlib import closing
from uuid import UUID

import pytest
import redis
from playwright.sync_api import expect

from pipeline.stages import dead_letters
from schema.dead_letter import DeadLetter
from schema.vocabulary import DeadLetterSource, Role
from tests.workers.console.conftest import Console, Eyes, open_as

NUMBER = "+2348012345678"
INGEST = "postroad:ingest"
MESSAGE = json.dumps({"headers": {"task": "sms.unknown"}, "body": {"to": NUMBER, "body": "<b>hyacinth</b>"}}).encode()


@pytest.fixture(scope="module")
def admin(console: Console) -> str:
    return console.add_user("olga", Role.ADMIN)


@pytest.fixture
def broker(console: Console) -> Iterator[redis.Redis]:
    with closing(redis.Redis.from_url(console.rt.settings.broker_url.get_secret_value())) as client:
        yield client
        client.delete(INGEST)


def dead(console: Console, payload: bytes = MESSAGE, source: DeadLetterSource = DeadLetterSource.BROKER) -> UUID:
    """Keep a dead letter; return its id."""
    letter = DeadLetter(source, "ingest", "unknown_task", payload)
    dead_letters.keep(console.rt, [letter])
    return UUID(str(dead_letters.listed(console.rt, source, 1)[0]["id"]))


def logged(console: Console, letter: UUID) -> list[tuple[str, str]]:
    return console.world.rows(
        "SELECT actor, action FROM audit_log WHERE subject LIKE %(id)s ORDER BY id", id=f"%{letter}"
    )


@pytest.mark.parametrize("source", list(DeadLetterSource))
def test_content_is_masked_until_it_is_revealed_which_is_logged(
    console: Console, admin: str, source: DeadLetterSource
) -> None:
    letter = dead(console, source=source)
    visitor = console.visitor(admin)

    listed = visitor.get(f"/dead-letters/{source}").text
    masked = visitor.get(f"/dead-letters/{source}/{letter}").text
    revealed = visitor.post(f"/dead-letters/{source}/{letter}/reveal").text

    assert str(letter) in listed
    assert NUMBER not in masked
    assert NUMBER in revealed
    assert "&lt;b&gt;hyacinth" in revealed
    assert logged(console, letter) == [(admin, "console POST /dead-letters/{source}/{id}/reveal")]


def test_a_message_is_put_into_its_queue_again_as_it_was_received(
    console: Console, broker: redis.Redis, admin: str
) -> None:
    letter = dead(console)

    answer = console.visitor(admin).post(f"/dead-letters/broker/{letter}/requeue")

    assert answer.status == 303
    assert broker.lrange(INGEST, 0, -1) == [MESSAGE]
    assert dead_letters.shown(console.rt, DeadLetterSource.BROKER, letter) is None
    assert logged(console, letter) == [(admin, "console POST /dead-letters/broker/{id}/requeue")]


def test_one_is_deleted_or_all_of_a_source(console: Console, admin: str) -> None:
    one, other = dead(console), dead(console)
    kept = dead(console, source=DeadLetterSource.SMPP)
    visitor = console.visitor(admin)

    first = visitor.post(f"/dead-letters/broker/{one}/drop").status
    left = dead_letters.shown(console.rt, DeadLetterSource.BROKER, other)
    again = visitor.post(f"/dead-letters/broker/{one}/drop").status
    visitor.post("/dead-letters/broker/drop")

    assert (first, again) == (303, 404)
    assert left is not None
    assert dead_letters.listed(console.rt, DeadLetterSource.BROKER, 10) == []
    assert dead_letters.shown(console.rt, DeadLetterSource.SMPP, kept) is not None
    assert (admin, "console POST /dead-letters/{source}/{id}/drop") in logged(console, one)


def test_without_the_right_a_dead_letter_is_shown_masked_and_stays(console: Console) -> None:
    letter = dead(console)
    visitor = console.visitor(console.add_user("vera", Role.VIEWER))

    shown = visitor.get(f"/dead-letters/broker/{letter}")
    answers = [
        visitor.post(f"/dead-letters/broker{path}").status
        for path in ("/drop", f"/{letter}/drop", f"/{letter}/requeue", f"/{letter}/reveal")
    ]

    assert (shown.status, NUMBER in shown.text) == (200, False)
    assert answers == [403, 403, 403, 403]
    assert dead_letters.shown(console.rt, DeadLetterSource.BROKER, letter) is not None


def test_users_of_an_account_see_no_dead_letters(console: Console) -> None:
    letter = dead(console)
    visitor = console.visitor(console.add_user("anna", Role.ADMIN, account="acme"))

    answers = [visitor.get(path).status for path in ("/dead-letters", f"/dead-letters/broker/{letter}")]

    assert answers == [404, 404]
    assert visitor.post(f"/dead-letters/broker/{letter}/reveal").status == 404
    assert visitor.post(f"/dead-letters/broker/{letter}/drop").status == 404


def test_what_is_not_there_is_not_found(console: Console, admin: str) -> None:
    visitor = console.visitor(admin)
    paths = ("/dead-letters/mail", "/dead-letters/broker/x", f"/dead-letters/smpp/{UUID(int=1)}")

    assert [visitor.get(path).status for path in paths] == [404, 404, 404]


def test_the_pages_look_well_and_a_message_is_requeued(
    console: Console, eyes: Eyes, broker: redis.Redis, admin: str
) -> None:
    dead(console)
    page = open_as(eyes, console, admin)
    page.on("dialog", lambda dialog: dialog.accept())

    page.goto(f"{console.url}/dead-letters")
    eyes.look(page, "dead-letters")
    page.get_by_role("cell").get_by_role("link").first.click()
    eyes.look(page, "dead-letter")
    page.get_by_role("button", name="Requeue").click()

    expect(page.get_by_role("status")).to_contain_text("in its queue again")
    assert broker.llen(INGEST) == 1
