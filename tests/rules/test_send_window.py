"""The send window: send_at, valid_until, and the default expiry."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.rules.consent.send_window import TOLERANCE, VALIDITY, expiry, judge
from schema.message_class import MessageClass
from schema.vocabulary import Code

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
LEAD = timedelta(days=30)


def after(**span: float) -> datetime:
    return NOW + timedelta(**span)


def faults(
    send_at: datetime | None = None, valid_until: datetime | None = None, made_at: datetime = NOW
) -> list[tuple[Code, str | None]]:
    found = judge(send_at, valid_until, made_at=made_at, now=NOW, lead=LEAD)
    return [(each.code, each.field) for each in found]


@pytest.mark.parametrize(
    ("send_at", "valid_until", "expected"),
    [
        pytest.param(None, None, [], id="at once"),
        pytest.param(NOW, None, [], id="now"),
        pytest.param(after(days=30), None, [], id="as far as allowed"),
        pytest.param(NOW - TOLERANCE, None, [], id="a clock a little behind"),
        pytest.param(after(seconds=-6), None, [(Code.SCHEDULE_PAST, "send_at")], id="past"),
        pytest.param(after(days=30, seconds=1), None, [(Code.SCHEDULE_FAR, "send_at")], id="too far"),
        pytest.param(None, after(seconds=1), [], id="valid for a second"),
        pytest.param(None, NOW, [(Code.VALIDITY_BAD, "valid_until")], id="valid until now"),
        pytest.param(None, after(hours=-1), [(Code.VALIDITY_BAD, "valid_until")], id="no longer valid"),
        pytest.param(after(hours=1), after(hours=2), [], id="valid after its minute"),
        pytest.param(after(hours=1), after(hours=1), [(Code.VALIDITY_BAD, "valid_until")], id="valid up to its minute"),
        pytest.param(after(hours=2), after(hours=1), [(Code.VALIDITY_BAD, "valid_until")], id="valid before it"),
        pytest.param(None, after(days=60), [], id="valid as long as allowed"),
        pytest.param(None, after(days=61), [(Code.VALIDITY_BAD, "valid_until")], id="valid for too long"),
        pytest.param(
            None,
            datetime.fromisoformat("9999-12-31T23:59:59-12:00"),
            [(Code.VALIDITY_BAD, "valid_until")],
            id="valid longer than a clock can tell",
        ),
        pytest.param(
            datetime.fromisoformat("9999-12-31T23:59:59-12:00"),
            None,
            [(Code.SCHEDULE_FAR, "send_at")],
            id="later than a clock can tell",
        ),
        pytest.param(
            datetime.fromisoformat("0001-01-01T00:00:00+12:00"),
            None,
            [(Code.SCHEDULE_PAST, "send_at")],
            id="earlier than a clock can tell",
        ),
        pytest.param(
            after(days=-2),
            after(days=-1),
            [(Code.SCHEDULE_PAST, "send_at"), (Code.VALIDITY_BAD, "valid_until")],
            id="both at fault",
        ),
    ],
)
def test_send_at_and_valid_until_must_be_in_the_future_and_within_limits(
    send_at: datetime | None, valid_until: datetime | None, expected: list[tuple[Code, str]]
) -> None:
    assert faults(send_at, valid_until) == expected


def test_send_at_of_an_order_that_waited_in_a_queue_is_checked_against_its_submission_time() -> None:
    an_hour_ago = after(hours=-1)

    assert faults(send_at=after(minutes=-30), made_at=an_hour_ago) == []
    assert faults(send_at=after(minutes=-61), made_at=an_hour_ago) == [(Code.SCHEDULE_PAST, "send_at")]
    assert faults(send_at=after(days=30), made_at=an_hour_ago) == [(Code.SCHEDULE_FAR, "send_at")]


def test_an_order_whose_validity_ended_in_the_queue_is_refused() -> None:
    found = faults(valid_until=after(minutes=-1), made_at=after(hours=-1))

    assert found == [(Code.VALIDITY_BAD, "valid_until")]


def test_send_at_is_compared_across_time_zones() -> None:
    in_lagos = datetime.fromisoformat("2027-03-01T13:00:01+01:00")
    in_new_york = datetime.fromisoformat("2027-03-01T06:59:00-05:00")

    assert faults(send_at=in_lagos) == []
    assert faults(send_at=in_new_york) == [(Code.SCHEDULE_PAST, "send_at")]


def test_every_message_class_has_a_default_validity() -> None:
    assert set(VALIDITY) == set(MessageClass)


@pytest.mark.parametrize("message_class", MessageClass)
def test_a_message_expires_at_valid_until_or_else_after_the_validity_of_its_class(message_class: MessageClass) -> None:
    assert expiry(message_class, NOW, after(minutes=1)) == after(minutes=1)
    assert expiry(message_class, NOW, None) == NOW + VALIDITY[message_class]


def test_otp_messages_have_the_shortest_default_validity() -> None:
    assert VALIDITY[MessageClass.OTP] == min(VALIDITY.values())
