"""Speed limits and gates of campaigns."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.rules.campaign_lifecycle import CAMPAIGN_MOVES, ENDED
from pipeline.rules.campaigns.gates import OutcomeSample, has_gates, tripped
from pipeline.rules.campaigns.operations import OPERATIONS, refusal
from pipeline.rules.campaigns.speed import BURST, PacedCounts, SpeedLimit, rebased, room
from pipeline.rules.numbers.calling_codes import TWO_DIGITS
from schema.vocabulary import CampaignState

AT = datetime(2026, 12, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("limit", "counts", "average", "seconds", "expected"),
    [
        (SpeedLimit(None, None), PacedCounts(AT, 0, 0), 1, 0, 1000),
        (SpeedLimit(3600, None), PacedCounts(AT, 0, 0), 1, 0, 0),
        (SpeedLimit(3600, None), PacedCounts(AT, 3, 9), 3, 10, 7),
        (SpeedLimit(1, None), PacedCounts(AT, 0, 0), 1, 3600, 1),
        (SpeedLimit(None, 30), PacedCounts(AT, 100, 200), 2, 10, 50),
        (SpeedLimit(None, 0.5), PacedCounts(AT, 0, 0), 3, 6, 1),
        # the slower one decides, and what was too much is made up for
        (SpeedLimit(3600, 100), PacedCounts(AT, 3, 9), 3, 10, 7),
        (SpeedLimit(3600, 1), PacedCounts(AT, 3, 9), 3, 8, 0),
    ],
)
def test_a_limit_allows_what_it_gives_in_the_time_less_what_was_sent(
    limit: SpeedLimit, counts: PacedCounts, average: float, seconds: float, expected: int
) -> None:
    assert room(limit, counts, average, at(seconds), 1000) == expected


def test_unused_allowance_is_kept_for_some_seconds_and_for_one_recipient_at_least() -> None:
    fast, slow = SpeedLimit(36_000, None), SpeedLimit(60, 100)
    used = PacedCounts(AT, 50, 50)

    assert rebased(fast, used, 1, at(BURST)) == used
    assert room(fast, rebased(fast, used, 1, at(1000)), 1, at(1000), 1000) == 10 * BURST
    assert room(slow, rebased(slow, PacedCounts(AT, 0, 0), 1, at(1000)), 1, at(1000), 1000) == 1
    # one limit has allowance to spare, the other has none
    assert rebased(SpeedLimit(3600, 1000), PacedCounts(AT, 995, 995), 1, at(1000)) == PacedCounts(AT, 995, 995)


@pytest.mark.parametrize(
    ("gates", "sample", "reason"),
    [
        ({}, OutcomeSample(decided=100, failed=100), None),
        ({"failed": 0.1}, OutcomeSample(decided=80, failed=10), "gate:failed 12.5 % of 80"),
        ({"failed": 0.1}, OutcomeSample(decided=80, failed=8), None),
        # three failures of three
        ({"failed": 0.1}, OutcomeSample(decided=3, failed=3), None),
        ({"failed": 0.1, "min_sample": 50}, OutcomeSample(decided=49, failed=49), None),
        ({"failed": 0.1, "min_sample": 3}, OutcomeSample(decided=3, failed=3), "gate:failed 100 % of 3"),
        ({"undelivered": 0.5}, OutcomeSample(decided=500, reported=50, undelivered=26), "gate:undelivered 52 % of 50"),
        ({"undelivered": 0.5}, OutcomeSample(decided=500, reported=49, undelivered=49), None),
        ({"failed": None, "opted_out": 0.01}, OutcomeSample(handed=1000, opted_out=11), "gate:opted_out 1.1 % of 1000"),
    ],
)
def test_a_gate_trips_above_its_share_of_a_large_enough_sample(
    gates: dict[str, float], sample: OutcomeSample, reason: str | None
) -> None:
    assert tripped(gates, sample) == reason
    assert has_gates(gates) == (gates != {})


def test_an_operation_that_is_not_possible_is_refused_with_those_that_are() -> None:
    assert refusal("spring", CampaignState.RUNNING, "pause") is None
    assert refusal("spring", CampaignState.RUNNING, "start") == (
        "campaign 'spring' is running: it cannot be started; possible now: pause, abort, limit"
    )
    assert refusal("spring", CampaignState.QUOTED, "start") == (
        "campaign 'spring' is quoted: it cannot be started; possible now: check, approve, abort"
    )
    assert refusal("spring", CampaignState.FINISHED, "abort") == (
        "campaign 'spring' is finished: it cannot be aborted; nothing more can be done with it"
    )
    for state in CampaignState:
        assert any(state in states for states in OPERATIONS.values()) == (state not in ENDED)
        assert (state in OPERATIONS["abort"]) == (CampaignState.ABORTED in CAMPAIGN_MOVES[state])


def test_the_calling_codes_of_two_digits_begin_no_other_code() -> None:
    assert {"+44", "+49"} <= set(TWO_DIGITS)
    assert not {code[:2] for code in TWO_DIGITS} & {"+1", "+7"}
