"""Which conditions need a person."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pipeline.rules.attention import (
    LATE,
    SILENCE,
    BrokerView,
    DrainedCarrier,
    DueWork,
    HeldWork,
    InstallationState,
    KeptLetters,
    StoppedCampaign,
    needs_person,
)
from schema.concern import Concern
from schema.message_class import MessageClass
from schema.vocabulary import CampaignState, DeadLetterSource, PauseCause

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
EARLIER = NOW - timedelta(days=1)

BROKER = BrokerView(True, {"ingest": 9}, {"worker": 2, "lane": 1, "clock": 1})
WELL = InstallationState(NOW, BROKER, is_valkey_up=True, ticked_at=NOW)


def due(message_class: MessageClass, age: timedelta) -> dict[str, Any]:
    return {"due": [DueWork(message_class, "alpha", 7, NOW - age)]}


def campaign(state: CampaignState, cause: PauseCause | None = None, reason: str | None = None) -> dict[str, Any]:
    return {"campaigns": [StoppedCampaign(UUID(int=1), "spring", "acme", state, cause, reason, EARLIER)]}


#: condition, and what is found: concern, subject, since, count; None: nothing
CASES: dict[str, tuple[dict[str, Any], tuple[Concern, str, datetime | None, int | None] | None]] = {
    "all is well": ({}, None),
    "the broker is away": ({"broker": BrokerView(False)}, (Concern.BROKER_AWAY, "the broker", None, None)),
    "the clock is just in time": ({"ticked_at": NOW - SILENCE}, None),
    "the clock is silent": (
        {"ticked_at": NOW - SILENCE - SECOND},
        (Concern.CLOCK_STOPPED, "the clock", NOW - SILENCE - SECOND, None),
    ),
    "the clock never ticked": ({"ticked_at": None}, (Concern.CLOCK_STOPPED, "the clock", None, None)),
    "nobody knows of the clock": ({"ticked_at": None, "is_valkey_up": False}, None),
    "a worker is gone": (
        {"broker": replace(BROKER, workers={"worker": 1, "lane": 0})},
        (Concern.WORKER_GONE, "worker lane", None, None),
    ),
    **{
        f"{message_class} is just in time": (due(message_class, allowed), None)
        for message_class, allowed in LATE.items()
    },
    **{
        f"{message_class} is late": (
            due(message_class, allowed + SECOND),
            (Concern.MESSAGES_LATE, "carrier alpha", NOW - allowed - SECOND, 7),
        )
        for message_class, allowed in LATE.items()
    },
    "no carrier may be given messages": (
        {"held": [HeldWork("alpha", 40)]},
        (Concern.NO_CARRIER, "carrier alpha", None, 40),
    ),
    "a carrier's balance is low": (
        {"drained": [DrainedCarrier("alpha", "low_balance", EARLIER)]},
        (Concern.CARRIER_UNPAID, "carrier alpha", EARLIER, None),
    ),
    "a person drained a carrier": ({"drained": [DrainedCarrier("alpha", None, EARLIER)]}, None),
    "a person paused a campaign": (campaign(CampaignState.PAUSED, PauseCause.PERSON), None),
    "a gate paused a campaign": (
        campaign(CampaignState.PAUSED, PauseCause.GATES, "gate"),
        (Concern.CAMPAIGN_STOPPED, "campaign spring", EARLIER, None),
    ),
    "a campaign's check failed": (
        campaign(CampaignState.FAILED),
        (Concern.CAMPAIGN_STOPPED, "campaign spring", EARLIER, None),
    ),
    "a dead letter is kept": (
        {"letters": [KeptLetters(DeadLetterSource.SMPP, 3, EARLIER)]},
        (Concern.DEAD_LETTERS, "smpp dead letters", EARLIER, 3),
    ),
    "nobody reads a list": (
        {"broker": replace(BROKER, unread={"celery": 5})},
        (Concern.ORDERS_UNREAD, "list celery", None, 5),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_condition_needs_a_person_or_not(case: str) -> None:
    condition, expected = CASES[case]

    found = needs_person(replace(WELL, **condition))

    assert [(each.concern, each.subject, each.since, each.count) for each in found] == ([expected] if expected else [])
    assert all(each.words and each.action for each in found)


def test_each_concern_has_a_case() -> None:
    assert {expected[0] for _, expected in CASES.values() if expected} == set(Concern)


def test_each_class_has_a_longest_wait() -> None:
    assert set(LATE) == set(MessageClass)


def test_the_processes_come_first_and_the_longest_wait_before_others() -> None:
    found = needs_person(
        replace(
            WELL,
            ticked_at=None,
            due=[
                DueWork(MessageClass.BULK, "beta", 1, NOW - timedelta(hours=1)),
                DueWork(MessageClass.OTP, "alpha", 1, NOW - timedelta(hours=2)),
            ],
            letters=[KeptLetters(DeadLetterSource.BROKER, 1, EARLIER)],
        )
    )

    assert [each.subject for each in found] == ["the clock", "carrier alpha", "carrier beta", "broker dead letters"]
