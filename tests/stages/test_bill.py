from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.dialects.registry import capacities
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.accept import accept
from pipeline.stages.admin.audit import audit
from pipeline.stages.admit import admit
from pipeline.stages.bill import bill, bill_all
from pipeline.stages.segment import segment
from pipeline.store import accounts, wallet_ledger
from tests.transitions.statement_log import statements
from tests.world import World

CHARGES = "SELECT encoding, segments, amount, quota, money, status, error_code FROM messages ORDER BY id"


def test_a_message_is_priced_by_its_segments_and_its_money_is_held(world: World) -> None:
    [answer] = world.submit(world.order("+2348012345678", body="x" * 161))

    [hint] = world.pay([answer])

    assert hint.batch == answer.batches[0]
    assert world.rows(CHARGES) == [("GSM7", 2, 800, 0, "held", None, None)]
    assert world.balance() == 1_000_000 - 800
    assert world.rows("SELECT kind, unit, amount, from_book, to_book FROM ledger WHERE kind = 'hold'") == [
        ("hold", "NGN", 800, "wallet", "held")
    ]


def test_the_price_of_the_longest_matching_destination_applies(world: World) -> None:
    with world.rt.begin() as conn:
        wallet_ledger.set_price(conn, "GB", "NGN", 700, world.rt.now())
        wallet_ledger.set_price(conn, "447911", "NGN", 900, world.rt.now())

    world.pay(world.submit(world.order("+2348012345678", "+447911123456", "+447400123456")))

    assert world.rows("SELECT amount FROM messages ORDER BY id") == [400, 900, 700]


def test_a_price_of_the_account_overrides_the_common_price(world: World) -> None:
    with world.rt.begin() as conn:
        wallet_ledger.set_price(conn, "*", "NGN", 350, world.rt.now(), world.account)

    world.pay(world.submit(world.order()))

    assert world.rows("SELECT amount FROM messages") == [350]


@pytest.mark.parametrize("way", ["bill", "accept"])
def test_a_price_set_to_begin_later_is_used_from_that_time(
    world: World, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    begins = world.rt.now() + timedelta(hours=1)
    with world.rt.begin() as conn:
        wallet_ledger.set_price(conn, "*", "NGN", 500, begins)

    for moment in (begins - timedelta(seconds=1), begins):
        monkeypatch.setattr(world.rt, "common_time", lambda _clock, moment=moment: moment)
        if way == "bill":
            world.pay(world.submit(world.order()))
        else:
            admissions = admit(world.rt, [(world.rt.new_ids(), world.order())], by_api=True)
            accept(world.rt, admissions, capacities=capacities())

    assert world.rows("SELECT amount FROM messages ORDER BY id") == [400, 500]


def test_a_message_to_a_destination_without_a_price_is_rejected(world: World) -> None:
    world.run("UPDATE prices SET destination = 'NG'")

    world.pay(world.submit(world.order("+2348012345678", "+447911123456")))

    assert world.rows("SELECT status, error_code FROM messages ORDER BY id") == [(None, None), ("rejected", "no_price")]


def test_messages_that_the_balance_does_not_cover_are_rejected(world: World) -> None:
    world.run("UPDATE wallets SET balance = 900")

    world.pay(world.submit(world.order("+2348012345678", "+2348012345679", "+2348012345670")))

    assert world.rows("SELECT status, error_code, money FROM messages ORDER BY id") == [
        (None, None, "held"),
        (None, None, "held"),
        ("rejected", "insufficient_funds", None),
    ]
    assert world.balance() == 100


def test_messages_may_be_paid_from_the_credit_limit(world: World) -> None:
    world.run("UPDATE wallets SET balance = 0, credit_limit = 400")

    world.pay(world.submit(world.order("+2348012345678", "+2348012345679")))

    assert world.rows("SELECT status FROM messages ORDER BY id") == [None, "rejected"]
    assert world.balance() == -400


def test_quota_is_used_before_the_wallet(world: World) -> None:
    month = datetime.now(UTC).date().replace(day=1)
    with world.rt.begin() as conn:
        wallet_ledger.grant(conn, world.account, month, 3, "test", world.rt.now())

    world.pay(world.submit(world.order("+2348012345678", "+2348012345679", body="x" * 161)))

    assert world.rows("SELECT amount, quota FROM messages ORDER BY id") == [(0, 2), (800, 0)]
    assert world.rows("SELECT used FROM quotas") == [2]
    assert [finding for finding in audit(world.rt) if finding.broken] == []


def test_billing_a_batch_twice_charges_once(world: World) -> None:
    [answer] = world.submit(world.order())
    batch = answer.batches[0]
    measures = segment(world.rt, batch)

    assert bill(world.rt, batch, measures, capacities=capacities()) != []
    assert bill(world.rt, batch, measures, capacities=capacities()) == []
    assert segment(world.rt, batch) == []
    assert world.balance() == 1_000_000 - 400


def test_billing_a_batch_concurrently_charges_once(world: World, settings: Settings) -> None:
    [answer] = world.submit(world.order())
    batch = answer.batches[0]
    measures = segment(world.rt, batch)

    with ThreadPoolExecutor(4) as threads:
        hints = list(threads.map(lambda _: bill(world.rt, batch, measures, capacities=capacities()), range(8)))

    assert sorted(map(len, hints)) == [0] * 7 + [1]
    assert world.balance() == 1_000_000 - 400


def test_billing_batches_concurrently_never_overdraws_the_wallet(world: World, settings: Settings) -> None:
    rt = Runtime(settings.model_copy(update={"pool_size": 8}))
    world.run("UPDATE wallets SET balance = 4000")
    answers = world.submit(*(world.order(*["+2348012345678"] * 3, message_class=c) for c in ("otp", "bulk") * 1))
    answers += [world.submit(world.order(*["+2348012345678"] * 3))[0] for _ in range(6)]

    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(
                lambda batch: bill(rt, batch, segment(rt, batch), capacities=capacities()),
                [b for a in answers for b in a.batches],
            )
        )

    assert world.rows("SELECT count(*) FROM messages WHERE money = 'held'") == [10]
    assert world.balance() == 0
    rt.close()


def test_a_test_message_costs_nothing(world: World) -> None:
    world.pay(world.submit(world.order(test=True)))

    assert world.rows(CHARGES) == [("GSM7", 1, 0, 0, None, None, None)]
    assert world.balance() == 1_000_000


@pytest.mark.parametrize(("delay", "status"), [(timedelta(hours=1), "scheduled"), (timedelta(0), "queued")])
def test_a_paid_batch_is_scheduled_until_its_send_at(world: World, delay: timedelta, status: str) -> None:
    hints = world.pay(world.submit(world.order(send_at=datetime.now(UTC) + delay)))

    assert world.rows("SELECT status FROM batches") == [status]
    assert len(hints) == (status == "queued")


def test_bill_measures_a_batch_that_was_not_measured_before(world: World) -> None:
    [answer] = world.submit(world.order(body="x" * 161))

    [hint] = bill(world.rt, answer.batches[0], capacities=capacities())

    assert hint.batch == answer.batches[0]
    assert world.rows(CHARGES) == [("GSM7", 2, 800, 0, "held", None, None)]
    assert bill(world.rt, answer.batches[0], capacities=capacities()) == []


def test_measures_that_do_not_match_the_batch_bill_nothing(world: World) -> None:
    [answer] = world.submit(world.order("+2348012345678", "+2348012345679"))

    assert bill(world.rt, answer.batches[0], segment(world.rt, answer.batches[0])[:1], capacities=capacities()) == []
    assert world.rows("SELECT status FROM batches") == ["admitted"]


# Many together -------------------------------------------------------------------------------------------------


def test_batches_of_several_accounts_are_billed_together(world: World) -> None:
    with world.rt.begin() as conn:
        other = accounts.create(conn, "other", "NGN")
        assert other
        accounts.set_sender(conn, other, "ACME")
        wallet_ledger.top_up(conn, other, 500, "test", world.rt.now())
    answers = world.submit(world.order(), world.order(account="other"), world.order(body="é" * 200))

    hints = bill_all(world.rt, [batch for answer in answers for batch in answer.batches], capacities())

    assert {hint.batch for hint in hints} == {batch for answer in answers for batch in answer.batches}
    assert world.balance() == 1_000_000 - 1200
    assert world.rows("SELECT balance FROM wallets ORDER BY balance") == [100, 1_000_000 - 1200]
    assert bill_all(world.rt, [hint.batch for hint in hints], capacities()) == []
    assert not any(each.broken for each in audit(world.rt))


def test_an_account_without_funds_does_not_stop_the_billing_of_others(world: World) -> None:
    with world.rt.begin() as conn:
        poor = accounts.create(conn, "poor", "NGN")
        assert poor
        accounts.set_sender(conn, poor, "ACME")
    answers = world.submit(world.order(), world.order(account="poor"))

    hints = bill_all(world.rt, [batch for answer in answers for batch in answer.batches], capacities())

    assert len(hints) == 2
    assert sorted(world.rows("SELECT coalesce(error_code, '') FROM messages")) == ["", "insufficient_funds"]
    assert world.balance() == 1_000_000 - 400
    assert not any(each.broken for each in audit(world.rt))


def test_quota_is_not_used_twice_by_batches_billed_together(world: World) -> None:
    with world.rt.begin() as conn:
        wallet_ledger.grant(conn, world.account, datetime.now(UTC).date().replace(day=1), 3, "test", world.rt.now())
    first = world.order("+2348012345678", "+2348012345679", **{"class": "bulk"})
    answers = world.submit(first, world.order("+2348012345670", "+2348012345671"))

    bill_all(world.rt, [batch for answer in answers for batch in answer.batches], capacities())

    assert sorted(world.rows("SELECT quota FROM messages")) == [0, 1, 1, 1]
    assert world.balance() == 1_000_000 - 400
    assert not any(each.broken for each in audit(world.rt))


def test_several_batches_are_priced_with_one_query(world: World) -> None:
    orders = [world.order(), world.order(**{"class": "bulk"}), world.order(test=True)]
    together = [batch for answer in world.submit(*orders) for batch in answer.batches]
    assert len(set(together)) == 3

    with statements(world.rt.engine) as run:
        bill_all(world.rt, together, capacities())

    assert [statement for statement, _ in run].count(wallet_ledger._BOOKS) == 1
    assert [statement for statement, _ in run].count(wallet_ledger._BALANCES) == 1


def test_long_ucs2_texts_are_billed_by_the_capacity_of_their_api(world: World) -> None:
    numbers = [f"+23480312345{place:02}" for place in range(3)]
    asked = [
        world.order(number, body="я" * 130, door=door)
        for number, door in zip(numbers, ("webex.sms", "robase.send", None), strict=True)
    ]

    world.pay(world.submit(*asked))

    # they travel alike, in two parts, and share a batch
    assert len(world.rows("SELECT id FROM batches")) == 1
    assert world.rows("SELECT segments, amount FROM messages ORDER BY phone") == [(2, 1200), (2, 800), (2, 800)]
    assert world.balance() == 1_000_000 - 2800
