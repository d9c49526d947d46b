from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

from pipeline.carriers.simulator_script import (
    ACCEPTED,
    USUAL,
    ReportPlan,
    ScriptedOutcome,
    read,
    reports,
    scripted_outcome,
)
from pipeline.errors import ConfigurationError
from schema.vocabulary import ReceiptVerdict

REFS = [str(uuid4()) for _ in range(4000)]


def test_an_empty_script_accepts_and_delivers_everything() -> None:
    script = read("alpha", {})

    assert {scripted_outcome(script, ref, "+1").word for ref in REFS} == {ScriptedOutcome.ACCEPT}
    assert {report.status for ref in REFS for report in reports(script, ref, "+1")} == {ReceiptVerdict.DELIVERED}


def test_a_message_has_the_same_scripted_outcome_at_every_attempt() -> None:
    given = {"refuse": 0.3, "silent": 0.3, "seed": 7}

    first, again = ([scripted_outcome(read("alpha", given), ref, "+1") for ref in REFS] for _ in range(2))

    assert first == again


@pytest.mark.parametrize(("carrier", "seed"), [("beta", 7), ("alpha", 8)], ids=["another carrier", "another seed"])
def test_which_messages_fail_depends_on_carrier_and_seed(carrier: str, seed: int) -> None:
    here, there = read("alpha", {"refuse": 0.5, "seed": 7}), read(carrier, {"refuse": 0.5, "seed": seed})

    both = sum(scripted_outcome(here, ref, "+1") == scripted_outcome(there, ref, "+1") for ref in REFS)

    assert 0.45 < both / len(REFS) < 0.55


def test_scripted_outcomes_occur_at_their_configured_rates() -> None:
    script = read("alpha", {"refuse:21": 0.1, "throttle:3": 0.2})

    met = Counter(str(scripted_outcome(script, ref, "+1")) for ref in REFS)

    assert met["refuse:21"] == pytest.approx(400, abs=80)
    assert met["throttle:3"] == pytest.approx(800, abs=110)
    assert met["accept"] == len(REFS) - met["refuse:21"] - met["throttle:3"]


def test_a_script_for_last_digits_of_a_number_takes_precedence_the_longest_first() -> None:
    script = read("alpha", {"silent": 1, "numbers": {"1": "reset", "0001": "refuse:21"}})

    assert str(scripted_outcome(script, "r", "+15550001")) == "refuse:21"
    assert str(scripted_outcome(script, "r", "+15550011")) == "reset"
    assert str(scripted_outcome(script, "r", "+15550012")) == "silent"


def test_only_refusals_throttling_nack_bad_gateway_and_drop_do_not_accept_a_message() -> None:
    assert set(ScriptedOutcome) - ACCEPTED == {
        ScriptedOutcome.REFUSE,
        ScriptedOutcome.REFUSE_TRANSIENT,
        ScriptedOutcome.THROTTLE,
        ScriptedOutcome.QUEUE_FULL,
        ScriptedOutcome.NACK,
        ScriptedOutcome.BAD_GATEWAY,
        ScriptedOutcome.DROP,
    }


def test_a_throttled_message_gets_a_new_scripted_outcome_when_it_is_retried() -> None:
    script = read("alpha", {"throttle": 0.3})

    reported = [ref for ref in REFS if scripted_outcome(script, ref, "+1").word is ScriptedOutcome.THROTTLE]
    again = [scripted_outcome(script, ref, "+1", waited=1).word for ref in reported]

    assert 0.2 < again.count(ScriptedOutcome.THROTTLE) / len(reported) < 0.4


COURSES: dict[str, tuple[str, list[tuple[float, ReceiptVerdict, str | None]]]] = {
    "delivered": ("delivered", [(1, ReceiptVerdict.DELIVERED, None)]),
    "failed": ("failed:5", [(1, ReceiptVerdict.FAILED, "5")]),
    "late": ("late:30", [(31, ReceiptVerdict.DELIVERED, None)]),
    "duplicate": ("duplicate:3", [(1, ReceiptVerdict.DELIVERED, None)] * 3),
    "out of order": ("out_of_order", [(1, ReceiptVerdict.DELIVERED, None), (0, ReceiptVerdict.PENDING, None)]),
    "stranger": ("stranger", [(1, ReceiptVerdict.DELIVERED, None)] * 2),
    "never": ("never", []),
}


@pytest.mark.parametrize(("word", "expected"), COURSES.values(), ids=COURSES.keys())
def test_each_report_plan_produces_its_receipts(
    word: str, expected: list[tuple[float, ReceiptVerdict, str | None]]
) -> None:
    script = read("alpha", {"receipts": {word: 1, "delay": 1}})

    found = reports(script, "r", "+1")

    assert [(report.happened, report.status, report.code) for report in found] == expected
    assert [report.after for report in found] == sorted(report.after for report in found)


def test_every_report_plan_is_tested() -> None:
    assert {word.partition(":")[0] for word, _ in COURSES.values()} == set(ReportPlan)


def test_a_scripted_outcome_without_an_argument_has_its_default() -> None:
    for word in ScriptedOutcome:
        assert scripted_outcome(read("alpha", {word: 1}), "r", "+1").argument == USUAL.get(word, "")


def test_receipts_are_delayed_between_the_configured_minimum_and_maximum() -> None:
    script = read("alpha", {"receipts": {"delay": [1, 2]}})

    delays = [reports(script, ref, "+1")[0].after for ref in REFS]

    assert 1 <= min(delays) < 1.1
    assert 1.9 < max(delays) <= 2


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"refuze": 0.1}, "refuze must be one of accept, refuse"),
        ({"refuse": 0.6, "silent": 0.6}, "rates add up to 1.2"),
        ({"refuse": "all"}, "refuse must be a number"),
        ({"refuse": -0.1}, "refuse is too small"),
        ({"refuse": True}, "refuse must be a number"),
        ({"silent:3": 0.1}, "silent:3 takes no argument"),
        ({"slow:long": 0.1}, "slow:long must be a number"),
        ({"numbers": {"x": "refuse"}}, "numbers.x must be"),
        ({"numbers": {"1": 0.5}}, "numbers.1 must be"),
        ({"numbers": {"1": "delivered"}}, "numbers.1 must be one of"),
        ({"numbers": []}, "numbers must be an object"),
        ({"receipts": {"refuse": 0.1}}, "receipts.refuse must be one of delivered"),
        ({"receipts": {"delay": [1, 2, 3]}}, "receipts.delay must be"),
        ({"receipts": {"token": "a\r\nb"}}, "receipts.token must be"),
        ({"limit_tps": 0}, "limit_tps is too small"),
        ({"latency_ms": float("nan")}, "latency_ms must be a number"),
        ({"down": "yes"}, "down must be true or false"),
        ({"seed": None}, "seed must be"),
        ({"smpp": 1}, "smpp must be an object"),
        ({"smpp": {"ids": "octal"}}, "smpp: ids must be one of hex, hex_upper, decimal, padded"),
        ({"smpp": {"windows": 1}}, "smpp: windows is no setting"),
    ],
)
def test_an_invalid_script_is_refused_with_the_name_of_the_entry(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"carrier alpha: script: {named}"):
        read("alpha", given)
