"""Send permission at admission: allowed countries, opt-outs and quiet hours."""

from datetime import timedelta
from typing import Any

import pytest

from pipeline.stages.admit import admit
from pipeline.stages.promote import promote
from schema.message import Admission
from schema.vocabulary import Code
from tests.stages.permissions import opt_out, quiet
from tests.world import World

ADA, BEN, GHANA = "+2348012345678", "+2348012345679", "+233201234567"
BATCHES = "SELECT status, size, send_at, due_at FROM batches ORDER BY due_at"


def judge(world: World, *numbers: str, **fields: Any) -> Admission:
    [admission] = admit(world.rt, [(world.rt.new_ids(), world.order(*numbers, **fields))])
    return admission


def reported(admission: Admission) -> list[tuple[Code, str | None]]:
    return [(each.code, each.field) for each in admission.refusals]


def phones(admission: Admission) -> list[str]:
    return [draft.phone for draft in admission.drafts]


def test_a_country_that_the_account_may_not_send_to_is_refused(world: World) -> None:
    world.run("UPDATE accounts SET countries = '{NG,KE}'")

    found = judge(world, GHANA, "nonsense", ADA)

    assert phones(found) == [ADA]
    assert reported(found) == [
        (Code.COUNTRY_FORBIDDEN, "recipients[0].to"),
        (Code.PHONE_INVALID, "recipients[1].to"),
    ]


OPTED_OUT = {
    "everything": ({}, True),
    "this sender": ({"sender": "ACME"}, True),
    "another sender": ({"sender": "OTHER"}, False),
    "this class": ({"class": "transactional"}, True),
    "another class": ({"class": "bulk"}, False),
    "every account": ({"account": 0}, True),
    "another account": ({"account": 999}, False),
}


@pytest.mark.parametrize(("scope", "is_refused"), OPTED_OUT.values(), ids=OPTED_OUT)
def test_an_opt_out_applies_to_its_account_sender_and_message_class(
    world: World, scope: dict[str, Any], is_refused: bool
) -> None:
    opt_out(world, **scope)

    found = judge(world, BEN, ADA)

    assert phones(found) == ([BEN] if is_refused else [BEN, ADA])
    assert reported(found) == ([(Code.OPTED_OUT, "recipients[1].to")] if is_refused else [])


def test_an_order_may_skip_its_accounts_own_opt_outs_but_not_global_ones(world: World) -> None:
    opt_out(world, ADA)
    opt_out(world, BEN, account=0)

    found = judge(world, ADA, BEN, skip_opt_outs=True)

    assert phones(found) == [ADA]
    assert reported(found) == [(Code.OPTED_OUT, "recipients[1].to")]


def test_orders_of_several_accounts_are_checked_against_their_own_opt_outs(world: World) -> None:
    world.run("INSERT INTO accounts (name, currency) VALUES ('other', 'NGN')")
    world.run("INSERT INTO sender_ids (account_id, sender) SELECT id, 'ACME' FROM accounts WHERE name = 'other'")
    opt_out(world, ADA)
    orders = [world.order(ADA, account="other"), world.order(ADA), world.order(BEN)]

    found = admit(world.rt, [(world.rt.new_ids(), order) for order in orders])

    assert [phones(each) for each in found] == [[ADA], [], [BEN]]


def test_skip_opt_outs_is_part_of_the_fingerprint_only_when_set(world: World) -> None:
    plain, skipping = (
        judge(world, idempotency_key="k", submitted_at=None, **more) for more in ({}, {"skip_opt_outs": True})
    )

    assert plain.fingerprint != skipping.fingerprint
    assert judge(world, idempotency_key="k", skip_opt_outs=False).fingerprint == plain.fingerprint


def test_quiet_hours_of_one_recipient_do_not_delay_other_recipients(world: World) -> None:
    morning = quiet(world)
    [answer] = world.submit(world.order(ADA, GHANA))

    hints = world.pay([answer])

    assert [hint.size for hint in hints] == [1]
    [(_, _, sent_for, _), late] = world.rows(BATCHES)
    assert sent_for is None
    assert late == ("scheduled", 1, None, morning)
    assert None not in answer.messages

    world.deliver_all(hints)
    world.run("UPDATE quiet_hours SET until_minute = from_minute")
    world.make_due()
    world.deliver_all(promote(world.rt))

    assert world.rows("SELECT status FROM messages") == ["sent", "sent"]


def test_quiet_hours_apply_to_the_scheduled_time(world: World) -> None:
    morning = quiet(world, begins=60, ends=180)

    night = judge(world, send_at=world.rt.now() + timedelta(minutes=90))
    day = judge(world, send_at=world.rt.now() + timedelta(minutes=240))

    assert [draft.due_at for draft in night.drafts] == [morning]
    assert [draft.due_at for draft in day.drafts] == [None]
    assert [draft.due_at for draft in judge(world).drafts] == [None]


def test_the_default_validity_of_a_deferred_message_begins_when_quiet_hours_end(world: World) -> None:
    morning = quiet(world)

    world.submit(world.order())

    assert world.rows("SELECT valid_until FROM batches") == [morning + timedelta(hours=48)]


@pytest.mark.parametrize("fields", [{}, {"valid_until": timedelta(minutes=30)}], ids=["reject", "defer"])
def test_a_message_that_cannot_wait_for_the_end_of_quiet_hours_is_refused(world: World, fields: dict[str, Any]) -> None:
    quiet(world, action="defer" if fields else "reject")

    found = judge(world, ADA, GHANA, **{word: world.rt.now() + span for word, span in fields.items()})

    assert phones(found) == [GHANA]
    assert reported(found) == [(Code.QUIET_HOURS, "recipients[0].to")]


@pytest.mark.parametrize("fields", [{"class": "otp"}, {"test": True}, {"door": "reply"}], ids=str)
def test_codes_tests_and_replies_are_sent_during_quiet_hours(world: World, fields: dict[str, Any]) -> None:
    quiet(world)

    assert [draft.due_at for draft in judge(world, **fields).drafts] == [None]


def test_codes_are_deferred_by_quiet_hours_for_their_message_class(world: World) -> None:
    morning = quiet(world, message_class="otp")

    assert [draft.due_at for draft in judge(world, **{"class": "otp"}).drafts] == [morning]


def test_opt_outs_are_not_queried_for_an_account_without_any(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("there is nothing to look up")

    monkeypatch.setattr("pipeline.store.consent.opt_outs.refused", never)
    opt_out(world, account=999)

    assert phones(judge(world)) == [ADA]
