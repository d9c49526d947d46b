"""`postroad send`, `show`, `cancel`, `status` and `audit`: with a real worker, and without."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from uuid import UUID, uuid4

import pytest

from schema.order import Order
from tests.workers.cli.conftest import Said, Shell
from tests.workers.conftest import Site, eventually
from tests.world import World
from workers.producer import producer, submit

#: how the world's account sends
ACME = ("--account", "acme", "--from", "ACME")
SEND = ("send", *ACME, "--to", "+2348012345678")


def request_of(said: Said) -> UUID:
    assert said.code == 0, said.err
    return UUID(json.loads(said.out)["request"])


def paid_for(working: Site, request: UUID) -> None:
    """Wait until the request's messages are paid for: from then on they can be cancelled."""
    unpaid = "SELECT count(*) FROM messages WHERE request_id = %(id)s AND money IS NULL"
    working.answer(request)
    eventually(lambda: working.world.rows(unpaid, id=request) == [0])


# With a worker --------------------------------------------------------------------------------------------------


def test_a_text_is_sent_and_its_history_shown(submission: Shell) -> None:
    sent = submission(*SEND, "--text", "Hello ${name}", "--field", "name=Ada", "--wait", "--json")
    assert sent.code == 0
    message = json.loads(sent.out)["messages"][0]["id"]

    story = submission("show", message)
    plain = json.loads(submission("show", message, "--json").out)

    for words in ("+2348012345678 (NG)", "Hello Ada", "sent", "GSM7, 1 part", "400 NGN minor, captured", "attempt 1:"):
        assert words in story.out
    assert plain["message"]["body"] == "Hello Ada"
    assert [each["outcome"] for each in plain["attempts"]] == ["accepted"]
    assert len(plain["batches"]) == 1


def test_send_prints_the_request_id_without_waiting(submission: Shell) -> None:
    said = submission(*SEND, "--text", "hello")

    assert said.code == 0
    assert f"postroad show {UUID(said.out.split()[1])}" in said.out


def test_an_order_can_be_given_as_json(submission: Shell, tmp_path: Path) -> None:
    order = {"account": "acme", "sender": "ACME", "body": "hello", "recipients": [{"to": "+2348012345678"}]}
    (tmp_path / "order.json").write_text(json.dumps(order))

    said = submission("send", "--order", tmp_path / "order.json", "--wait")

    assert said.code == 0
    assert "sent" in said.out


REFUSED = {
    "unknown template": (["--template", "nope"], "template_unknown", "no template 'nope'"),
    "unknown sender": (["--text", "x", "--from", "OTHER"], "sender_invalid", "not registered"),
    "unknown account": (["--text", "x", "--account", "nobody"], "account_unknown", "no account 'nobody'"),
    "no number": (["--text", "x", "--to", "nix"], "phone_invalid", "not a phone number"),
}


@pytest.mark.parametrize(("options", "code", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_order_is_reported_with_its_reason(
    submission: Shell, options: list[str], code: str, words: str
) -> None:
    said = submission(*SEND, *options, "--wait")

    assert said.code == 1
    assert code in said.out
    assert words in said.out


def test_orders_with_the_same_key_are_sent_once(submission: Shell, working: Site) -> None:
    for _ in range(2):
        submission(*SEND, "--text", "once", "--key", "k-1")
    submission(*SEND, "--text", "after it", "--wait")

    assert working.world.rows("SELECT count(*) FROM messages WHERE body = 'once'") == [1]


def test_a_scheduled_message_can_be_cancelled_only_once(submission: Shell, working: Site) -> None:
    request = request_of(submission(*SEND, "--text", "later", "--send-at", "+1h", "--json"))
    paid_for(working, request)
    [message] = working.answer(request).messages
    assert "scheduled" in submission("show", request).out

    first, second = submission("cancel", message["id"]), submission("cancel", message["id"])

    assert (first.code, second.code) == (0, 1)
    assert "cancelled" in first.out
    assert "too late" in second.out
    assert "cancelled" in submission("show", message["id"]).out


def test_cancelling_a_request_cancels_all_its_messages(submission: Shell, working: Site) -> None:
    later = (*SEND, "--to", "+2348012345679", "--to", "nix", "--text", "later", "--send-at", "+1h", "--json")
    request = request_of(submission(*later))
    paid_for(working, request)

    said = submission("cancel", request, "--json")

    assert said.code == 0
    assert len(json.loads(said.out)["cancelled"]) == 2


def test_a_sent_or_unknown_message_cannot_be_cancelled(submission: Shell) -> None:
    sent = json.loads(submission(*SEND, "--text", "hello", "--wait", "--json").out)["messages"][0]["id"]

    late, unknown = submission("cancel", sent), submission("cancel", uuid4())

    assert (late.code, unknown.code) == (1, 1)
    assert "1 too late" in late.out
    assert "1 unknown" in unknown.out


@contextmanager
def ticking(site: Site) -> Iterator[None]:
    """Let the site's worker look at campaigns again and again, as the clock does."""
    is_over = Event()

    def tick() -> None:
        while not is_over.wait(0.3):
            site.producer.send_task("sms.campaigns", queue="clock", expires=1)

    with ThreadPoolExecutor() as threads:
        ticks = threads.submit(tick)
        try:
            yield
        finally:
            is_over.set()
    ticks.result()


def test_a_campaign_is_sent_in_one_command_and_waited_for(submission: Shell, working: Site, tmp_path: Path) -> None:
    lines = ["to,name", "+2348012345678,Ada", "+2348012345679", ",Ben", "nix,Eve", "+2348012345679,Ben"]
    (tmp_path / "people.csv").write_text("\n".join(lines))
    send = ("campaign", "send", *ACME, tmp_path / "people.csv", "--text", "Campaign for ${name}", "--name", "spring")

    with ticking(working):
        said = submission(*send, "--max-cost", 800, "--wait", "--json")
    again = submission(*send, "--wait")

    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert (found["state"], found["lines"], found["recipients"], found["cost"]) == ("finished", 5, 2, 800)
    assert [(each["line"], each["message"][:9]) for each in found["broken"]] == [
        (3, "1 cell wh"),
        (4, "no number"),
        (5, "not a pho"),
    ]
    assert (found["statuses"], found["unfinished"]) == ({"sent": 2}, 0)
    assert again.code == 0
    assert "campaign spring is finished: it was sent before, and nothing is sent twice" in again.err
    assert re.search(r"sent +2\n", again.out)
    sent = "SELECT body FROM messages WHERE body LIKE 'Campaign for %%' ORDER BY body"
    assert working.world.rows(sent) == ["Campaign for Ada", "Campaign for Ben"]


def test_a_repeated_order_under_its_key_returns_the_first_request(submission: Shell, working: Site) -> None:
    first = json.loads(submission(*SEND, "--text", "only once", "--key", "once", "--wait", "--json").out)

    again = submission(*SEND, "--text", "only once", "--key", "once", "--json")
    followed = submission(*SEND, "--text", "only once", "--key", "once", "--wait", "--json")

    assert (again.code, followed.code) == (0, 0)
    assert json.loads(again.out)["request"] == first["request"]["id"] == json.loads(followed.out)["request"]["id"]
    assert "before" in again.err


def test_another_order_under_a_used_key_is_refused_before_it_is_sent(submission: Shell, working: Site) -> None:
    assert submission(*SEND, "--text", "first", "--key", "k-2", "--wait").code == 0

    same = submission(*SEND, "--text", "first", "--key", "k-2")
    other = submission(*SEND, "--text", "second", "--key", "k-2")

    assert same.code == 0
    assert submission(*SEND, "--text", "first", "--key", "k-2", "--wait").code == 0
    assert (other.code, other.out) == (1, "")
    assert "another order was sent under the key 'k-2'" in other.err
    assert working.world.rows("SELECT count(*) FROM messages WHERE body = 'second'") == [0]


def test_another_order_under_a_used_key_is_refused_by_the_worker(submission: Shell, working: Site) -> None:
    order = {"account": "acme", "sender": "ACME", "recipients": [{"to": "+2348012345678"}], "idempotency_key": "k-3"}
    app = producer(working.broker_url)

    requests = [submit(Order.model_validate(order | {"body": body}), app=app) for body in ("first", "second")]

    eventually(lambda: all(submission("show", request).code == 0 for request in requests))
    reported = [json.loads(submission("show", request, "--json").out)["request"]["refusals"] for request in requests]
    assert sorted([each["code"] for each in refusals] for refusals in reported) == [[], ["idempotency_conflict"]]


def test_sent_messages_are_counted_in_the_status_and_pass_the_audit(submission: Shell) -> None:
    submission(*SEND, "--text", "hello", "--wait")

    status, audit = json.loads(submission("status", "--json").out), json.loads(submission("audit", "--json").out)

    assert {row["status"] for row in status["statuses"]} >= {"sent"}
    assert "alpha" in {row["carrier"] for row in status["carriers"]}
    assert status["money"][0]["account"] == "acme"
    assert audit["sound"]
    assert "All of them hold." in submission("audit").out
    assert "carriers" in submission("status").out


# Without one ----------------------------------------------------------------------------------------------------


def test_a_violated_invariant_is_named_by_the_audit_which_exits_with_1(shell: Shell, world: World) -> None:
    world.send("+2348012345678")
    world.run("UPDATE wallets SET balance = balance + 1")

    said = shell("audit")

    assert said.code == 1
    assert re.search(r"^I3 wallets +BROKEN +1 ", said.out, re.MULTILINE)
    assert "1 of " in said.out
    assert not json.loads(shell("audit", "--json").out)["sound"]


def test_show_reports_an_unknown_id(shell: Shell) -> None:
    said = shell("show", uuid4())

    assert (said.code, said.out) == (1, "")
    assert "no message or request has the id" in said.err


def test_status_works_on_an_empty_installation(shell: Shell) -> None:
    assert shell("status").out.startswith("no messages\n")
    assert shell("account", "list").code == 0


def test_show_lists_a_failover_with_all_attempts(shell: Shell, world: World) -> None:
    world.add_carrier("alpha", {"refuse_transient:busy": 1})
    world.add_carrier("beta", rank=2)
    answer = world.send("+2348012345678")

    said = shell("show", answer.messages[0])

    assert "attempt 1: refused_transient (busy)" in said.out
    assert "attempt 2: accepted" in said.out
    assert "passed to beta, round 1" in said.out


def test_a_request_with_many_messages_is_abbreviated(shell: Shell, world: World) -> None:
    answer = world.send(*[f"+23480{n:08}" for n in range(30)])

    said = shell("show", answer.request)

    assert "sent          30" in said.out
    assert "… and 10 more; --json shows all" in said.out
    assert len(json.loads(shell("show", answer.request, "--json").out)["messages"]) == 30


def test_waiting_without_workers_ends_after_a_timeout_with_a_hint(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.cli.commands.send.TIMEOUT", 0.3)

    said = shell("send", "--to", "+2348012345678", "--text", "hello", "--wait")

    assert said.code == 1
    assert "Are the workers running?" in said.err


PAST = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()

UNFIT = {
    "nobody": (["--text", "x"], "give --to"),
    "no text": (["--to", "+2348012345678"], "exactly one of --text and --template"),
    "text and template": (["--to", "+1", "--text", "x", "--template", "y"], "exactly one of --text and --template"),
    "empty text": (["--to", "+1", "--text", ""], "body: String should have at least 1 character"),
    "long text": (["--to", "+1", "--text", "x" * 1601], "body: String should have at most 1600 characters"),
    "field": (["--to", "+1", "--text", "x", "--field", "name"], "'name' is not a merge field: write name=value"),
    "missing field": (["--to", "+1", "--text", "${a} ${b}", "--field", "A=1"], "needs these merge fields: b;"),
    "class": (["--to", "+1", "--text", "x", "--class", "spam"], "'spam' is not one of 'otp', 'transactional', 'bulk'"),
    "past": (["--to", "+1", "--text", "x", "--send-at", PAST], "has passed; leave it out to send at once"),
    "no moment": (["--to", "+1", "--text", "x", "--send-at", "tomorrow"], "'tomorrow' is not a date-time"),
    "beyond all time": (["--to", "+1", "--text", "x", "--send-at", "9999-12-31T23:59:59-12:00"], "is not a date-time"),
    "no zone": (["--to", "+1", "--text", "x", "--send-at", "2031-01-01T10:00"], "has no time zone"),
    "window": (
        ["--to", "+1", "--text", "x", "--send-at", "+2h", "--valid-until", "+1h"],
        "valid_until must be after send_at",
    ),
    "sender": (["--to", "+1", "--text", "x", "--from", "A" * 21], "sender: String should have at most 20 characters"),
    "own account": (["--to", "+1", "--text", "x", "--account", "acme"], "give --from"),
}


@pytest.mark.parametrize(("options", "words"), UNFIT.values(), ids=UNFIT.keys())
def test_an_invalid_order_is_refused_before_it_is_sent(bare_shell: Shell, options: list[str], words: str) -> None:
    said = bare_shell("send", *options)

    assert (said.code, said.out) == (2, "")
    assert words in said.err


@pytest.mark.parametrize(
    "command", [("send", "--order"), ("template", "add", "acme", "greet", "--file")], ids=["order", "template"]
)
def test_a_file_that_is_not_utf_8_is_a_usage_error(bare_shell: Shell, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "latin").write_bytes("Grüße".encode("latin-1"))

    said = bare_shell(*command, tmp_path / "latin")

    assert (said.code, said.out) == (2, "")
    assert "not UTF-8" in said.err


def test_more_than_ten_thousand_recipients_are_refused(bare_shell: Shell) -> None:
    numbers = [part for n in range(10_001) for part in ("--to", f"+23480{n:08}")]

    said = bare_shell("send", *numbers, "--text", "x")

    assert said.code == 2
    assert "recipients: List should have at most 10000 items" in said.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "Invalid JSON"),
        ("[]", "should be an object"),
        ('{"account": "acme"}', "sender: Field required"),
        ('{"account": 5, "sender": "A", "body": "x", "recipients": [{"to": 7}]}', "recipients[0].to: Input should be"),
        (
            '{"account": "a", "sender": "A", "body": "x", "recipients": [{"to": "+1"}], "tset": true}',
            "tset: is not a known",
        ),
    ],
)
def test_an_invalid_json_order_is_refused_with_the_names_of_its_fields(
    bare_shell: Shell, tmp_path: Path, content: str, words: str
) -> None:
    (tmp_path / "order.json").write_text(content)

    said = bare_shell("send", "--order", tmp_path / "order.json")

    assert (said.code, said.out) == (2, "")
    assert words in said.err
