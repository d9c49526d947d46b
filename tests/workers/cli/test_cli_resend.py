"""Orders that are repeated under their key: in another spelling, with other times, after their text was erased."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from pipeline.stages.settle import settle
from schema.order import Order
from tests.workers.cli.conftest import Said, Shell
from tests.workers.conftest import Site, eventually
from workers.producer import producer, submit

#: how the world's account sends
ACME = ("--account", "acme", "--from", "ACME")


def reported(said: Said) -> Any:
    return json.loads(said.out)


def show(submission: Shell, request: UUID) -> Any:
    """Return what is told of a request, once it was read."""
    eventually(lambda: submission("show", request).code == 0)
    return reported(submission("show", request, "--json"))


@pytest.fixture
def give(working: Site) -> Callable[..., UUID]:
    """Hands an order over by the broker."""
    app = producer(working.broker_url)

    def submitted(**fields: Any) -> UUID:
        recipients = [{"to": "+2348012345678"}, {"to": "+447400123456"}]
        order = {"account": "acme", "sender": "ACME", "recipients": recipients, "body": "Hi Ada"}
        return submit(Order.model_validate(order | fields), app=app)

    return submitted


SAME: dict[str, dict[str, Any]] = {
    "spelt alike": {},
    "blanks and dashes": {"recipients": [{"to": "+234 801 234-5678"}, {"to": "+44 (7400) 123456"}]},
    "a national number": {"recipients": [{"to": "0801 234 5678", "country": "NG"}, {"to": "+447400123456"}]},
    "the order's country": {"recipients": [{"to": "08012345678"}, {"to": "+447400123456"}], "country": "NG"},
    "the country said": {"recipients": [{"to": "+2348012345678", "country": "NG"}, {"to": "+447400123456"}]},
    "defaults": {"class": "transactional", "test": False, "skip_opt_outs": False, "door": None, "merge": {}},
    "a field filled": {"body": "Hi ${name}", "merge": {"name": "Ada"}},
    "a field nobody reads": {"merge": {"unused": "x"}},
    "another zone": {"send_at": "2026-01-01T10:00:00+01:00"},
}
OTHER: dict[str, dict[str, Any]] = {
    "another text": {"body": "Hi Ben"},
    "another number": {"recipients": [{"to": "+2348012345679"}, {"to": "+447400123456"}]},
    "one more": {"recipients": [{"to": "+2348012345678"}, {"to": "+447400123456"}, {"to": "+447400123457"}]},
    "one less": {"recipients": [{"to": "+2348012345678"}]},
    "another order": {"recipients": [{"to": "+447400123456"}, {"to": "+2348012345678"}]},
    "another class": {"class": "bulk"},
    "a test": {"test": True},
    "later": {"send_at": datetime.now(UTC) + timedelta(days=1)},
    "own words": {
        "recipients": [{"to": "+2348012345678", "correlation_id": "a"}, {"to": "+447400123456"}],
    },
}


@pytest.mark.parametrize("fields", SAME.values(), ids=SAME.keys())
def test_a_repeated_order_in_another_spelling_gets_the_response_of_the_first(
    submission: Shell, working: Site, give: Callable[..., UUID], fields: dict[str, Any]
) -> None:
    key = str(uuid4())
    timed = {"send_at": "2026-01-01T09:00:00Z"} if "send_at" in fields else {}
    made_at = {"submitted_at": "2026-01-01T08:59:00Z"} if timed else {}
    first = show(submission, give(idempotency_key=key, **timed, **made_at))

    again = show(submission, give(**{"idempotency_key": key, **made_at, **fields}))

    assert again["request"]["refusals"] == []
    assert again["request"]["repeats"] == first["request"]["id"]
    assert [each["id"] for each in again["messages"]] == [each["id"] for each in first["messages"]]
    assert (len(first["messages"]), again["request"]["accepted"]) == (2, 2)
    assert f"repeats      {first['request']['id']}" in submission("show", again["request"]["id"]).out


@pytest.mark.parametrize("name", ["blanks and dashes", "a national number", "the order's country", "the country said"])
def test_a_repeated_code_is_recognised_after_its_text_was_erased(
    submission: Shell, working: Site, give: Callable[..., UUID], name: str
) -> None:
    code = {"class": "otp", "test": True, "idempotency_key": str(uuid4()), "body": "7391 is your code"}
    first = show(submission, give(**code))
    blotted = "SELECT count(*) FROM messages WHERE request_id = %(id)s AND body LIKE '%%7391%%'"
    eventually(lambda: settle(working.rt) >= 0 and working.world.rows(blotted, id=first["request"]["id"]) == [0])

    again = show(submission, give(**{**code, **SAME[name]}))
    other = show(submission, give(**{**code, "body": "7392 is your code"}))

    assert again["request"]["repeats"] == first["request"]["id"]
    assert [each["code"] for each in other["request"]["refusals"]] == ["idempotency_conflict"]


@pytest.mark.parametrize("fields", OTHER.values(), ids=OTHER.keys())
def test_a_different_order_under_a_used_key_is_a_conflict(
    submission: Shell, give: Callable[..., UUID], fields: dict[str, Any]
) -> None:
    key = str(uuid4())
    show(submission, give(idempotency_key=key))

    other = show(submission, give(idempotency_key=key, **fields))

    assert [each["code"] for each in other["request"]["refusals"]] == ["idempotency_conflict"]
    assert other["messages"] == []


def test_a_repeated_order_gets_its_first_response_though_its_account_is_suspended(
    submission: Shell, working: Site, give: Callable[..., UUID]
) -> None:
    first = show(submission, give(idempotency_key="now-suspended"))
    working.world.run("UPDATE accounts SET state = 'suspended' WHERE name = 'acme'")
    try:
        again = show(submission, give(idempotency_key="now-suspended"))
        other = show(submission, give(idempotency_key="now-suspended", body="Hi Ben"))
    finally:
        working.world.run("UPDATE accounts SET state = 'active' WHERE name = 'acme'")

    assert again["request"]["repeats"] == first["request"]["id"]
    assert [each["code"] for each in other["request"]["refusals"]] == ["account_suspended"]


def test_a_repeated_send_command_in_another_spelling_gets_the_first_request(submission: Shell) -> None:
    send = ("send", *ACME, "--key", "spelt", "--json")
    first = reported(submission(*send, "--to", "+2348012345678", "--text", "Hi Ada", "--wait"))

    again = submission(*send, "--to", "0801 234 5678", "--country", "NG", "--text", "Hi ${name}", "--field", "name=Ada")
    other = submission(*send, "--to", "+2348012345678", "--text", "Hi Ben")

    assert (again.code, other.code) == (0, 1)
    assert reported(again)["request"] == first["request"]["id"]


def test_a_repeated_send_command_with_a_relative_time_gets_the_first_request(submission: Shell) -> None:
    send = ("send", *ACME, "--key", "from-now", "--json", "--to", "+2348012345678", "--text", "Hi Ada")
    first = reported(submission(*send, "--send-at", "+1h", "--wait"))

    again = submission(*send, "--send-at", "+1h")
    other = submission(*send, "--send-at", (datetime.now(UTC) + timedelta(hours=2)).isoformat())

    assert (again.code, other.code) == (0, 1)
    assert reported(again)["request"] == first["request"]["id"]


def test_the_audit_passes_after_all_these_orders(submission: Shell) -> None:
    assert reported(submission("audit", "--json"))["sound"]
