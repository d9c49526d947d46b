"""Orders and campaigns that are repeated under their key or name: other spelling, later payment, concurrent sends."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from kombu.exceptions import OperationalError

from pipeline.stages.settle import settle
from schema.order import Order
from tests.workers.cli.conftest import Said, Shell
from tests.workers.conftest import Site, eventually
from workers.cli.terminal import handover
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


# Campaigns ------------------------------------------------------------------------------------------------------


def campaign(submission: Shell, file: Path, content: str | bytes, *options: object) -> Said:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return submission("campaign", "send", *ACME, "--text", "Hello ${name}", file, "--wait", "--json", *options)


LINES = "to,name\n+2348012345678,Ada\n+447400123456,Bén\n"
ALIKE: dict[str, str | bytes] = {
    "a BOM": b"\xef\xbb\xbf" + LINES.encode(),
    "line ends": LINES.replace("\n", "\r\n"),
    "semicolons": LINES.replace(",", ";"),
    "another column": "to,name,x\n+2348012345678,Ada,1\n+447400123456,Bén,2\n",
    "columns turned": "name,to\nAda,+2348012345678\nBén,+447400123456\n",
    "spelt otherwise": LINES.replace("+447400123456", "+44 7400 123456"),
}
UNLIKE = {
    "a line less": "to,name\n+2348012345678,Ada\n",
    "a line more": LINES + "+447400123457,Cy\n",
    "lines turned": "to,name\n+447400123456,Bén\n+2348012345678,Ada\n",
    "another name": LINES.replace("Ada", "Eve"),
}


def test_a_campaign_file_in_another_format_with_the_same_lines_is_the_same_campaign(
    submission: Shell, tmp_path: Path
) -> None:
    first = reported(campaign(submission, tmp_path / "first", LINES, "--name", "written"))

    for name, content in ALIKE.items():
        again = campaign(submission, tmp_path / "again", content, "--name", "written")
        assert (again.code, reported(again)["requests"]) == (0, first["requests"]), name
    for name, content in UNLIKE.items():
        other = campaign(submission, tmp_path / "other", content, "--name", "written")
        assert (other.code, reported(other)["conflict"]) == (1, 1), name


def test_of_two_different_files_sent_at_once_under_one_campaign_name_one_is_sent(
    submission: Shell, working: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines(name: str) -> str:
        return "to,name\n" + "".join(f"+2348012{n:06},{name}\n" for n in range(1001))

    said: list[Said] = []

    def meanwhile(order: Order, **named: Any) -> UUID:
        """Send another file just when the first portion was looked up, and neither is read yet."""
        monkeypatch.setattr(handover, "submit", submit)
        said.append(campaign(submission, tmp_path / "second", lines("Second"), "--name", "at-once", "--test"))
        return submit(order, **named)

    monkeypatch.setattr(handover, "submit", meanwhile)
    first = campaign(submission, tmp_path / "first", lines("First"), "--name", "at-once", "--test")

    assert (first.code, said[0].code) == (0, 1)
    assert "differs from what was sent under the name 'at-once'" in said[0].err
    count = "SELECT body, count(*) FROM messages WHERE body LIKE 'Hello %%st' OR body LIKE 'Hello Sec%%' GROUP BY 1"
    assert working.world.rows(count) == [("Hello First", 1001)]


def test_a_campaign_name_is_free_again_if_the_broker_took_nothing(
    submission: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> UUID:
        raise OperationalError("away")

    monkeypatch.setattr(handover, "submit", away)
    assert campaign(submission, tmp_path / "first", LINES, "--name", "away").code == 3
    monkeypatch.setattr(handover, "submit", submit)

    assert campaign(submission, tmp_path / "mended", UNLIKE["a line more"], "--name", "away").code == 0


def test_recipients_refused_for_lack_of_money_are_sent_under_the_same_name_after_a_topup(
    submission: Shell, working: Site, tmp_path: Path
) -> None:
    world = working.world
    made = submission("account", "create", "poor", "--currency", "NGN", "--sender", "POOR", "--topup", 1000)
    assert made.code == 0, made.err
    ours = ("--account", "poor", "--from", "POOR", "--name", "dear")
    count = "SELECT status, count(*) FROM messages WHERE sender = 'POOR' GROUP BY 1 ORDER BY 1"

    first = campaign(submission, tmp_path / "f", LINES + "+447400123457,Cy\n", *ours)
    assert world.rows(count) == [("rejected", 1), ("sent", 2)]
    poor = campaign(submission, tmp_path / "f", LINES + "+447400123457,Cy\n", *ours)
    assert world.rows(count) == [("rejected", 2), ("sent", 2)]
    assert submission("wallet", "topup", "poor", 1000).code == 0
    paid, again = (campaign(submission, tmp_path / "f", LINES + "+447400123457,Cy\n", *ours) for _ in range(2))

    assert world.rows(count) == [("rejected", 2), ("sent", 3)]
    assert [each["recipients"] for each in reported(paid)["requests"]] == [2, 1]
    assert reported(again)["requests"] == reported(paid)["requests"]
    assert reported(first)["requests"][0]["request"] == reported(paid)["requests"][0]["request"]
    assert reported(poor)["requests"][1]["request"] != reported(paid)["requests"][1]["request"]


def test_the_audit_passes_after_all_these_orders(submission: Shell) -> None:
    assert reported(submission("audit", "--json"))["sound"]
