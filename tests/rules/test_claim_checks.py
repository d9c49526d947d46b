"""Checks at claim, as pure decisions: which verdict a message gets when several apply."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pipeline.rules.consent.claim_checks import ClaimVerdict, CurrentPermission, restricted, with_opt_outs
from pipeline.rules.consent.quiet_hours import QuietRule
from pipeline.rules.consent.send_permission import SendPermission
from schema.carriage import Parcel
from schema.message_class import MessageClass
from schema.vocabulary import Code, Encoding, QuietAction

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
#: in Lagos, UTC+1, quiet hours from 12:00 to 15:00
END = datetime(2026, 3, 1, 14, tzinfo=UTC)
ID = UUID(int=1)


def parcel(**fields: Any) -> Parcel:
    given = Parcel(ID, "+2348012345678", "ACME", "", Encoding.GSM7, 1, MessageClass.TRANSACTIONAL, country="NG")
    return replace(given, **fields)


def quiet(action: QuietAction = QuietAction.DEFER) -> tuple[QuietRule, ...]:
    return (QuietRule("NG", MessageClass.TRANSACTIONAL, 12 * 60, 15 * 60, action),)


#: approved senders, countries of the account, quiet hours, the message → the verdict
RESTRICTED: dict[str, tuple[dict[str, list[str]], set[str], tuple[QuietRule, ...], Parcel, ClaimVerdict | None]] = {
    "no rule": ({"ACME": []}, set(), (), parcel(), None),
    "sender not approved": ({}, set(), (), parcel(), Code.SENDER_INVALID),
    "sender for other countries": ({"ACME": ["GH"]}, set(), (), parcel(), Code.SENDER_INVALID),
    "sender for its country": ({"ACME": ["GH", "NG"]}, set(), (), parcel(), None),
    "account for other countries": ({"ACME": []}, {"GH"}, (), parcel(), Code.COUNTRY_FORBIDDEN),
    "sender before country": ({"ACME": ["GH"]}, {"GH"}, (), parcel(), Code.SENDER_INVALID),
    "quiet hours": ({"ACME": []}, set(), quiet(), parcel(), END),
    "quiet hours of another class": ({"ACME": []}, set(), quiet(), parcel(message_class=MessageClass.OTP), None),
    "quiet hours that reject": ({"ACME": []}, set(), quiet(QuietAction.REJECT), parcel(), Code.QUIET_HOURS),
    "valid until after their end": (
        {"ACME": []},
        set(),
        quiet(),
        parcel(valid_until=END + timedelta(seconds=1)),
        END,
    ),
    "valid until their end": ({"ACME": []}, set(), quiet(), parcel(valid_until=END), Code.QUIET_HOURS),
    "country before quiet hours": ({"ACME": []}, {"GH"}, quiet(), parcel(), Code.COUNTRY_FORBIDDEN),
}


@pytest.mark.parametrize(("senders", "countries", "rules", "message", "verdict"), RESTRICTED.values(), ids=RESTRICTED)
def test_the_first_restriction_that_applies_gives_the_verdict(
    senders: dict[str, list[str]],
    countries: set[str],
    rules: tuple[QuietRule, ...],
    message: Parcel,
    verdict: ClaimVerdict | None,
) -> None:
    current = CurrentPermission(senders, SendPermission(countries=frozenset(countries), quiet=rules))

    assert restricted(current, [message], NOON) == ({ID: verdict} if verdict else {})


#: verdict without opt-outs, whether the recipient opted out, whether it is a reply → the verdict
OPTED_OUT: dict[str, tuple[ClaimVerdict | None, bool, bool, ClaimVerdict | None]] = {
    "an opt-out": (None, True, False, Code.OPTED_OUT),
    "an opt-out outweighs a deferral": (END, True, False, Code.OPTED_OUT),
    "and a rejection for quiet hours": (Code.QUIET_HOURS, True, False, Code.OPTED_OUT),
    "but not a forbidden country": (Code.COUNTRY_FORBIDDEN, True, False, Code.COUNTRY_FORBIDDEN),
    "nor a sender": (Code.SENDER_INVALID, True, False, Code.SENDER_INVALID),
    "a reply is sent in quiet hours": (END, False, True, None),
    "a reply is not rejected for them": (Code.QUIET_HOURS, False, True, None),
    "a reply needs a permitted country": (Code.COUNTRY_FORBIDDEN, False, True, Code.COUNTRY_FORBIDDEN),
    "a reply may be refused for an opt-out": (END, True, True, Code.OPTED_OUT),
    "without either it stays": (END, False, False, END),
}


@pytest.mark.parametrize(("before", "is_out", "is_reply", "after"), OPTED_OUT.values(), ids=OPTED_OUT)
def test_an_opt_out_outweighs_quiet_hours_only(
    before: ClaimVerdict | None, is_out: bool, is_reply: bool, after: ClaimVerdict | None
) -> None:
    found = with_opt_outs({ID: before} if before else {}, {ID} if is_out else set(), {ID} if is_reply else set())

    assert found == ({ID: after} if after else {})
