from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.stages.admit import admit
from pipeline.store import accounts
from schema.message import Admission
from schema.vocabulary import AccountState, Code, SenderState
from tests.world import World


def judge(world: World, *numbers: str, **fields: Any) -> Admission:
    [admission] = admit(world.rt, [(world.rt.new_ids(), world.order(*numbers, **fields))])
    return admission


def test_a_valid_order_becomes_a_draft_for_each_recipient(world: World) -> None:
    admission = judge(world, "+234 801 234 5678", "+447400123456", body="Hello")

    assert [(draft.phone, draft.country, draft.body, draft.carrier) for draft in admission.drafts] == [
        ("+2348012345678", "NG", "Hello", "alpha"),
        ("+447400123456", "GB", "Hello", "alpha"),
    ]
    assert admission.refusals == []


def test_an_invalid_number_is_refused_without_affecting_other_recipients(world: World) -> None:
    admission = judge(world, "+2348012345678", "+4477416325434477416325434", "+447400123456")

    assert [draft.index for draft in admission.drafts] == [0, 2]
    [refusal] = admission.refusals
    assert (refusal.code, refusal.index, refusal.field) == (Code.PHONE_INVALID, 1, "recipients[1].to")


def test_a_refusal_contains_neither_number_nor_text(world: World) -> None:
    admission = judge(world, "+44774163254344774163", body="secret")

    assert "4477416" not in repr(admission.refusals)
    assert "secret" not in repr(admission.refusals)


NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        pytest.param({"account": "nobody"}, Code.ACCOUNT_UNKNOWN, "account", id="unknown account"),
        pytest.param({"sender": "STRANGER"}, Code.SENDER_INVALID, "sender", id="unregistered sender"),
        pytest.param({"sender": "WAY TOO LONG"}, Code.SENDER_INVALID, "sender", id="sender of 12 characters"),
        pytest.param({"template": "none"}, Code.TEMPLATE_UNKNOWN, "template", id="unknown template"),
        pytest.param({"send_at": NOW - timedelta(hours=1)}, Code.SCHEDULE_PAST, "send_at", id="past send_at"),
        pytest.param({"send_at": NOW + timedelta(days=400)}, Code.SCHEDULE_FAR, "send_at", id="far send_at"),
        pytest.param({"valid_until": NOW - timedelta(hours=1)}, Code.VALIDITY_BAD, "valid_until", id="past validity"),
    ],
)
def test_an_invalid_field_of_an_order_refuses_all_its_recipients(
    world: World, fields: dict[str, Any], code: Code, field: str
) -> None:
    admission = judge(world, **fields)

    assert admission.drafts == []
    [refusal] = admission.refusals
    assert (refusal.code, refusal.field, refusal.index) == (code, field, None)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param({"body": "Hi ${name}, ${time}"}, Code.MERGE_FIELD_MISSING, id="missing merge fields"),
        pytest.param({"body": "${a}", "merge": {"a": "x" * 1600 + ""}}, None, id="1600 characters"),
        pytest.param({"body": "${a}!", "merge": {"a": "x" * 1600}}, Code.BODY_TOO_LONG, id="1601 characters"),
        pytest.param({"body": "${a}", "merge": {"a": " "}}, Code.BODY_EMPTY, id="blank"),
    ],
)
def test_a_text_is_checked_after_its_merge_fields_are_filled_in(
    world: World, fields: dict[str, Any], code: Code | None
) -> None:
    admission = judge(world, **fields)

    assert [refusal.code for refusal in admission.refusals] == ([code] if code else [])


def test_a_refusal_names_the_missing_merge_fields(world: World) -> None:
    [refusal] = judge(world, body="Hi ${name}, ${time}", merge={"time": "9"}).refusals

    assert "name" in refusal.message
    assert "time" not in refusal.message


def test_a_merge_value_of_a_recipient_overrides_that_of_the_order(world: World) -> None:
    order = world.order(body="${a} ${b}", merge={"a": "1", "b": "2"})
    order = order.model_copy(
        update={"recipients": [recipient.model_copy(update={"merge": {"a": "${b}"}}) for recipient in order.recipients]}
    )

    [admission] = admit(world.rt, [(world.rt.new_ids(), order)])

    assert admission.drafts[0].body == "${b} 2"


def test_a_template_is_found_by_slug_and_by_id(world: World) -> None:
    with world.rt.begin() as conn:
        id_, _ = accounts.set_template(conn, world.account, "ride", "Your ride arrives at ${time}.", "os_user:ada")

    for name in ("ride", str(id_)):
        admission = judge(world, template=name, merge={"time": "9"})
        assert admission.drafts[0].body == "Your ride arrives at 9."


def test_a_pending_sender_is_accepted_for_test_messages_only(world: World) -> None:
    with world.rt.begin() as conn:
        accounts.set_sender(conn, world.account, "NEWNAME", SenderState.PENDING)

    assert judge(world, sender="NEWNAME", test=True).refusals == []
    assert [refusal.code for refusal in judge(world, sender="NEWNAME").refusals] == [Code.SENDER_INVALID]


def test_an_order_of_a_suspended_account_is_refused(world: World) -> None:
    with world.rt.begin() as conn:
        accounts.set_state(conn, world.account, AccountState.SUSPENDED)

    assert [refusal.code for refusal in judge(world).refusals] == [Code.ACCOUNT_SUSPENDED]


def test_a_destination_without_a_route_is_refused(world: World) -> None:
    world.run("UPDATE routes SET destination = 'NG'")

    admission = judge(world, "+2348012345678", "+447400123456")

    assert [draft.index for draft in admission.drafts] == [0]
    assert [refusal.code for refusal in admission.refusals] == [Code.NO_ROUTE]


def test_a_test_order_goes_to_the_simulated_carrier(world: World) -> None:
    assert [draft.carrier for draft in judge(world, test=True).drafts] == ["simulated"]


def test_send_at_is_checked_against_the_time_of_submission_by_the_producer(world: World) -> None:
    made = NOW - timedelta(hours=2)

    admission = judge(world, submitted_at=made, send_at=NOW - timedelta(hours=1))

    assert admission.refusals == []


def test_an_order_that_could_not_be_read_is_admitted_with_refusals_only(world: World) -> None:
    refusals = judge(world, account="nobody").refusals

    [admission] = admit(world.rt, [(world.rt.new_ids(), refusals)])

    assert (admission.account, admission.drafts, admission.refusals) == (None, [], refusals)


def test_a_line_break_in_a_text_is_admitted(world: World) -> None:
    assert judge(world, body="two\nlines").drafts[0].body == "two\nlines"
