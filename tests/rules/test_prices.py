"""Price and payment of messages: the quota first, then the wallet; a message is never paid in part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.money.message_pricing import UNCOVERED, PaidBy, cover
from pipeline.rules.money.price_lists import Price, PriceBook

LAGOS = ("+2348012345678", "NG")
LONDON = ("+447911123456", "GB")


def paid(amount: int) -> PaidBy:
    return PaidBy(amount, 0, True)


def used(segments: int) -> PaidBy:
    return PaidBy(0, segments, True)


@pytest.mark.parametrize(
    ("lines", "price"),
    [
        pytest.param([Price("*", 400, False)], 400, id="everywhere"),
        pytest.param([Price("*", 400, False), Price("NG", 300, False)], 300, id="country before everywhere"),
        pytest.param([Price("NG", 300, False), Price("234", 200, False)], 200, id="digits before country"),
        pytest.param([Price("234", 200, False), Price("234801", 100, False)], 100, id="longest digits"),
        pytest.param([Price("234801", 100, False), Price("*", 500, True)], 500, id="own book before the common one"),
        pytest.param([Price("44", 100, True), Price("*", 400, False)], 400, id="own book silent"),
        pytest.param([Price("*", 0, True), Price("*", 400, False)], 0, id="own book gives it free"),
        pytest.param([Price("44", 100, False)], None, id="no line speaks of it"),
        pytest.param([], None, id="no lines"),
    ],
)
def test_the_most_specific_line_sets_the_price_and_the_account_s_price_book_precedes_the_common_one(
    lines: list[Price], price: int | None
) -> None:
    assert PriceBook(lines).per_segment(*LAGOS) == price


def test_each_number_has_its_own_price() -> None:
    book = PriceBook([Price("234", 200, False), Price("GB", 700, False)])

    assert [book.per_segment(*LAGOS), book.per_segment(*LONDON)] == [200, 700]


@pytest.mark.parametrize(
    ("amounts", "segments", "quota", "money", "expected"),
    [
        pytest.param([400, 400], [1, 1], 2, 0, [used(1), used(1)], id="quota pays"),
        pytest.param([400, 400], [1, 1], 0, 800, [paid(400), paid(400)], id="money pays"),
        pytest.param([400, 400], [1, 1], 1, 400, [used(1), paid(400)], id="quota first"),
        pytest.param([800], [2], 1, 800, [paid(800)], id="quota too small for the whole message"),
        pytest.param([800], [2], 1, 799, [UNCOVERED], id="never half quota half money"),
        pytest.param([800, 400], [2, 1], 1, 800, [paid(800), used(1)], id="a shorter message takes what quota is left"),
        pytest.param([800, 400], [2, 1], 0, 400, [UNCOVERED, paid(400)], id="a cheaper message is still paid"),
        pytest.param([400, 400], [1, 1], 0, 400, [paid(400), UNCOVERED], id="earlier messages first"),
        pytest.param([400], [1], 0, None, [paid(400)], id="money without end"),
        pytest.param([0], [3], 0, 0, [paid(0)], id="what costs nothing is covered"),
        pytest.param([400], [1], 0, 0, [UNCOVERED], id="nothing pays"),
        pytest.param([400], [1], 0, -100, [UNCOVERED], id="a wallet in debt"),
        pytest.param([], [], 5, 5, [], id="no messages"),
    ],
)
def test_the_quota_pays_first_then_the_wallet(
    amounts: list[int], segments: list[int], quota: int, money: int | None, expected: list[PaidBy]
) -> None:
    assert cover(amounts, segments, quota=quota, money=money) == expected


messages = st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 10)), max_size=30)


@given(messages, st.integers(0, 100), st.integers(0, 10_000))
def test_no_more_than_quota_and_wallet_is_spent_and_each_message_is_paid_entirely_or_not_at_all(
    each: list[tuple[int, int]], quota: int, money: int
) -> None:
    covers = cover([amount for amount, _ in each], [count for _, count in each], quota=quota, money=money)

    assert sum(one.quota for one in covers) <= quota
    assert sum(one.amount for one in covers) <= money
    for one, (amount, count) in zip(covers, each, strict=True):
        assert one in (used(count), paid(amount), UNCOVERED)


@given(messages, st.integers(0, 100))
def test_every_message_is_covered_when_money_is_unlimited(each: list[tuple[int, int]], quota: int) -> None:
    covers = cover([amount for amount, _ in each], [count for _, count in each], quota=quota, money=None)

    assert all(one.covered for one in covers)


@given(messages, st.integers(0, 100), st.integers(0, 10_000))
def test_a_message_is_uncovered_only_if_neither_the_remaining_quota_nor_money_suffices(
    each: list[tuple[int, int]], quota: int, money: int
) -> None:
    covers = cover([amount for amount, _ in each], [count for _, count in each], quota=quota, money=money)

    for one, (amount, count) in zip(covers, each, strict=True):
        if one.covered:
            quota, money = quota - one.quota, money - one.amount
        else:
            assert quota < count
            assert money < amount
