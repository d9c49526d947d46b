"""What is shown of resent messages."""

import pytest

from pipeline.stages.admin.explain_route import explain
from pipeline.stages.admin.operator_reports import MessageReport, report_of
from schema.vocabulary import Outcome, ReceiptVerdict
from tests.stages.scripted import Stage
from workers.cli.terminal import message_view, route_view

UNKNOWN, NOT_WRITTEN = Outcome.UNKNOWN, Outcome.NOT_WRITTEN


@pytest.mark.parametrize(
    ("answers", "ability", "expected"),
    [
        ({}, "blind", [(None, False), ("undelivered", True)]),
        ({"alpha": [UNKNOWN]}, "blind", [(None, False), ("doubt", True)]),
        ({"alpha": [UNKNOWN]}, "dedupes", [(None, False), ("repeat", False)]),
        ({"alpha": [UNKNOWN], "beta": [NOT_WRITTEN]}, "blind", [(None, False), ("doubt", False), ("doubt", True)]),
        ({"alpha": [NOT_WRITTEN]}, "blind", [(None, False), (None, False), ("undelivered", True)]),
    ],
)
def test_each_attempt_shows_whether_it_may_be_a_duplicate(
    stage: Stage, answers: dict[str, list[Outcome]], ability: str, expected: list[tuple[str | None, bool]]
) -> None:
    for name in ("alpha", "beta", "gamma"):
        stage.carrier(name, *answers.get(name, []), doubt=ability, window=300)
    [message] = stage.send()
    if UNKNOWN in answers.get("alpha", []):
        stage.go_on(3, 604)
    else:
        carrier = stage.tried()[-1][0]
        stage.receive(message, carrier, ReceiptVerdict.FAILED, retryable=True)
        stage.turn()

    found = report_of(stage.rt, message)

    assert isinstance(found, MessageReport)
    assert [(each["again"], each["possible_duplicate"]) for each in found.attempts] == expected
    words = message_view.message_lines(found)
    assert ("possible duplicate" in words) is any(flagged for _, flagged in expected)
    assert all(f"resent ({why})" in words for why, _ in expected if why)


@pytest.mark.parametrize("limit", [None, 1000])
def test_the_choice_of_carrier_for_a_resend_is_reproduced(stage: Stage, limit: int | None) -> None:
    stage.set(resend_cost=limit)
    stage.carrier("alpha", UNKNOWN)
    stage.carrier("beta", cost=2000)
    stage.carrier("gamma", cost=1000)
    [message] = stage.send()
    stage.go_on(604)

    found = explain(stage.rt, message)

    assert found is not None
    assert [(choice.carrier, choice.is_same, choice.resend_reason) for choice in found.choices] == [
        ("alpha", True, None),
        ("gamma" if limit else "beta", True, "doubt"),
    ]
    assert "resent (doubt)" in route_view.explained(found)
