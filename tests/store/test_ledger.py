"""Money and quota: each balance is the sum of its ledger entries, and no more is held than there is."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pipeline.errors import DatabaseFault, InsufficientFunds
from pipeline.rules.identity import ids
from pipeline.rules.money.price_lists import Price
from pipeline.stages.admin.audit import audit
from pipeline.store import accounts, wallet_ledger
from pipeline.store.wallet_ledger import Hold, Moved
from tests.world import World

NOW = datetime(2027, 3, 15, 12, tzinfo=UTC)
MARCH, APRIL = date(2027, 3, 1), date(2027, 4, 1)


class Till:
    """One account's money, moved as bill, deliver and settle move it."""

    def __init__(self, world: World, money: int = 0, quota: int = 0) -> None:
        self.world, self.rt = world, world.rt
        with self.rt.begin() as conn:
            account = accounts.create(conn, f"till {self.rt.new_ids()}", "NGN")
            assert account
            self.account = account
            if money:
                wallet_ledger.top_up(conn, account, money, "test", NOW)
            if quota:
                wallet_ledger.grant(conn, account, MARCH, quota, "test", NOW)

    def hold(self, amount: int = 0, quota: int = 0, month: date = MARCH) -> Moved:
        """Hold, for a batch of its own; return what may be captured or released."""
        batch = self.rt.new_ids()
        with self.rt.begin() as conn:
            wallet_ledger.hold_all(conn, [Hold(self.account, batch, month, amount, quota)], NOW)
        at = datetime(month.year, month.month, 10, tzinfo=UTC)
        return Moved(self.account, batch, ids.new_ids(at, 1), amount, quota)

    def capture(self, *moved: Moved) -> None:
        with self.rt.begin() as conn:
            wallet_ledger.capture(conn, moved, NOW)

    def release(self, *moved: Moved) -> None:
        with self.rt.begin() as conn:
            wallet_ledger.release(conn, moved, NOW)

    def funds(self, month: date = MARCH) -> tuple[int, int]:
        """Return the money and quota that may still be spent."""
        with self.rt.begin() as conn:
            return wallet_ledger.funds(conn, self.account, month)

    def entries(self) -> list[tuple[Any, ...]]:
        query = "SELECT kind, unit, amount, from_book, to_book FROM ledger WHERE account_id = %(id)s ORDER BY id"
        found: list[tuple[Any, ...]] = self.world.rows(query, id=self.account)
        return found


@pytest.fixture
def world(shared_world: World) -> World:
    """A world where each test has a till of its own."""
    return shared_world


@pytest.fixture(autouse=True)
def _explained(world: World) -> Iterator[None]:
    """Whatever a test does here, each balance and quota is what the ledger says."""
    yield
    [wallets] = [finding for finding in audit(world.rt) if finding.name == "I3 wallets"]
    assert wallets.broken == 0


def test_held_money_is_captured_or_released(world: World) -> None:
    till = Till(world, money=1000)

    taken, back = till.hold(400), till.hold(300)
    held = till.funds()
    till.capture(taken)
    till.release(back)

    assert (held, till.funds()) == ((300, 0), (600, 0))
    assert till.entries() == [
        ("topup", "NGN", 1000, "outside", "wallet"),
        ("hold", "NGN", 400, "wallet", "held"),
        ("hold", "NGN", 300, "wallet", "held"),
        ("capture", "NGN", 400, "held", "earned"),
        ("release", "NGN", 300, "held", "wallet"),
    ]


def test_quota_is_held_and_released_in_segments(world: World) -> None:
    till = Till(world, quota=10)

    taken, back = till.hold(quota=4), till.hold(quota=3)
    held = till.funds()
    till.capture(taken)
    till.release(back)

    assert (held, till.funds()) == ((0, 3), (0, 6))
    assert [entry[:3] for entry in till.entries()] == [
        ("grant", "SEG", 10),
        ("hold", "SEG", 4),
        ("hold", "SEG", 3),
        ("capture", "SEG", 4),
        ("release", "SEG", 3),
    ]


def test_money_and_quota_of_one_batch_are_held_and_released_together(world: World) -> None:
    till = Till(world, money=1000, quota=10)

    both = till.hold(400, 4)
    held = till.funds()
    till.release(both)

    assert (held, till.funds()) == ((600, 6), (1000, 10))


@pytest.mark.parametrize(
    ("amount", "quota"),
    [
        pytest.param(1001, 0, id="money"),
        pytest.param(0, 11, id="quota"),
        pytest.param(400, 11, id="enough money, too little quota"),
        pytest.param(1001, 4, id="enough quota, too little money"),
    ],
)
def test_a_hold_without_sufficient_funds_fails_and_writes_no_entry(world: World, amount: int, quota: int) -> None:
    till = Till(world, money=1000, quota=10)

    with pytest.raises(InsufficientFunds):
        till.hold(amount, quota)

    assert till.funds() == (1000, 10)
    assert [entry[0] for entry in till.entries()] == ["topup", "grant"]


def test_an_account_without_a_wallet_cannot_hold_money(world: World) -> None:
    till = Till(world)
    world.run("DELETE FROM wallets WHERE account_id = %(id)s", id=till.account)

    with pytest.raises(InsufficientFunds):
        till.hold(1)

    assert till.funds() == (0, 0)


def test_a_wallet_may_go_negative_down_to_its_credit_limit(world: World) -> None:
    till = Till(world, money=100)
    with world.rt.begin() as conn:
        wallet_ledger.set_credit_limit(conn, till.account, 50)

    till.hold(150)

    assert till.funds() == (0, 0)
    with pytest.raises(InsufficientFunds):
        till.hold(1)


def test_the_quota_of_a_month_pays_only_for_messages_of_that_month(world: World) -> None:
    till = Till(world, quota=10)
    with world.rt.begin() as conn:
        wallet_ledger.grant(conn, till.account, APRIL, 5, "test", NOW)

    march, april = till.hold(quota=10), till.hold(quota=5, month=APRIL)
    with pytest.raises(InsufficientFunds):
        till.hold(quota=1)
    till.release(april, march)

    assert (till.funds(), till.funds(APRIL)) == ((0, 10), (0, 5))


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        pytest.param("2027-03-01T00:00:00+00:00", MARCH, id="the first moment"),
        pytest.param("2027-03-31T23:59:59.999+00:00", MARCH, id="the last moment"),
        pytest.param("2027-04-01T00:00:00+00:00", APRIL, id="the next month"),
        pytest.param("2027-04-01T00:30:00+01:00", MARCH, id="still March in UTC"),
        pytest.param("2028-02-29T12:00:00+00:00", date(2028, 2, 1), id="a leap day"),
    ],
)
def test_the_month_of_a_message_is_that_of_its_id_in_utc(moment: str, month: date) -> None:
    assert ids.month(ids.new_ids(datetime.fromisoformat(moment), 7)) == month


def test_a_month_without_a_grant_has_no_quota(world: World) -> None:
    till = Till(world, money=100, quota=10)

    assert till.funds(APRIL) == (100, 0)
    with pytest.raises(InsufficientFunds):
        till.hold(quota=1, month=APRIL)


def test_grants_and_top_ups_are_added_to_what_is_left(world: World) -> None:
    till = Till(world, money=100, quota=10)
    till.hold(30, 3)

    with world.rt.begin() as conn:
        balance = wallet_ledger.top_up(conn, till.account, 50, "more", NOW)
        left = wallet_ledger.grant(conn, till.account, MARCH, 5, "more", NOW)

    assert (balance, left) == till.funds() == (120, 12)


def test_concurrent_holds_never_spend_more_than_there_is(world: World) -> None:
    till = Till(world, money=1000, quota=5)

    def spend(place: int) -> int:
        try:
            till.hold(100) if place % 2 else till.hold(quota=1)
        except InsufficientFunds:
            return 0
        return 1

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(spend, range(40)))

    assert (sum(done[1::2]), sum(done[::2])) == (10, 5)
    assert till.funds() == (0, 0)


def test_concurrent_releases_release_each_hold_once(world: World) -> None:
    till, other = Till(world, money=1000, quota=20), Till(world, money=1000)
    held = [till.hold(10, 1) for _ in range(20)]
    others = [other.hold(10) for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(till.release, held, others))

    assert (till.funds(), other.funds()) == ((1000, 20), (1000, 0))


def test_a_concurrent_hold_and_release_do_not_deadlock(world: World) -> None:
    till = Till(world, money=1000, quota=10)
    earlier = till.hold(100, 1)

    with ThreadPoolExecutor(2) as pool:
        with world.rt.begin() as conn:
            conn.exec_driver_sql("SELECT FROM wallets WHERE account_id = %(id)s FOR UPDATE", {"id": till.account})
            releasing = pool.submit(till.release, earlier)
            _wait(lambda: _waiting(world) == 1)
            holding = pool.submit(till.hold, 200, 2)
            _wait(lambda: _waiting(world) == 2)
        releasing.result()
        holding.result()

    assert till.funds() == (800, 8)


def test_holds_and_releases_lock_the_quotas_of_accounts_in_the_same_order(world: World) -> None:
    older, younger = Till(world), Till(world)
    for till in (younger, older):  # as they lie in a table that is read from its beginning
        with world.rt.begin() as conn:
            wallet_ledger.grant(conn, till.account, MARCH, 10, "test", NOW)
    earlier = [till.hold(quota=1) for till in (younger, older)]
    world.run("ANALYZE quotas")
    lock = "SELECT FROM quotas WHERE account_id = %(id)s FOR UPDATE"

    with ThreadPoolExecutor(1) as pool:
        with world.rt.begin() as conn:
            conn.exec_driver_sql(lock, {"id": older.account})
            releasing = pool.submit(younger.release, *earlier)
            _wait(lambda: _waiting(world) == 1)
            conn.exec_driver_sql(lock, {"id": younger.account})
        releasing.result()

    assert [till.funds() for till in (older, younger)] == [(0, 10)] * 2


def _waiting(world: World) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    [count] = world.rows(query)
    return int(count)


def _wait(fact: Callable[[], bool]) -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while not fact():
        assert datetime.now(UTC) < deadline


@pytest.mark.parametrize("seed", range(5))
def test_after_any_sequence_of_movements_the_balances_equal_the_ledger(world: World, seed: int) -> None:
    chance = random.Random(seed)
    till = Till(world, money=500, quota=20)
    held: list[Moved] = []

    for _ in range(40):
        match chance.choice(["hold", "hold", "capture", "release", "top up"]):
            case "hold":
                with suppress(InsufficientFunds):
                    held.append(till.hold(chance.randrange(200), chance.randrange(8)))
            case "capture" if held:
                till.capture(held.pop(chance.randrange(len(held))))
            case "release" if held:
                till.release(held.pop(chance.randrange(len(held))))
            case "top up":
                with world.rt.begin() as conn:
                    wallet_ledger.top_up(conn, till.account, chance.randrange(1, 100), "walk", NOW)

    books = _books(till.entries())
    assert till.funds() == (books["wallet", "NGN"], books["wallet", "SEG"])
    assert books["held", "NGN"] == sum(each.amount for each in held)
    assert books["held", "SEG"] == sum(each.quota for each in held)


def _books(entries: list[tuple[Any, ...]]) -> dict[tuple[str, str], int]:
    books = dict.fromkeys(
        [(book, unit) for book in ("outside", "wallet", "held", "earned") for unit in ("NGN", "SEG")], 0
    )
    for _, unit, amount, source, target in entries:
        books[source, unit] -= amount
        books[target, unit] += amount
    return books


def test_releasing_or_capturing_nothing_writes_no_entry(world: World) -> None:
    till = Till(world, money=100)

    till.release()
    till.capture()
    till.release(Moved(till.account, world.rt.new_ids(), world.rt.new_ids(), 0, 0))

    assert [entry[0] for entry in till.entries()] == ["topup"]


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE wallets SET balance = -1", id="a wallet below nothing"),
        pytest.param("UPDATE quotas SET used = granted + 1", id="more used than granted"),
        pytest.param("UPDATE quotas SET used = -1", id="less used than nothing"),
    ],
)
def test_the_database_refuses_an_overdrawn_wallet_or_quota(world: World, statement: str) -> None:
    till = Till(world, money=100, quota=10)

    with pytest.raises(DatabaseFault):
        world.run(f"{statement} WHERE account_id = %(id)s", id=till.account)


def test_the_newest_price_in_force_in_the_accounts_currency_applies(world: World) -> None:
    till = Till(world)
    with world.rt.begin() as conn:
        wallet_ledger.set_price(conn, "*", "EUR", 7, world.rt.now())
        wallet_ledger.set_price(conn, "GB", "NGN", 900, world.rt.now(), till.account)
    world.run(
        "INSERT INTO prices (destination, currency, per_segment, from_at) "
        "VALUES ('*', 'NGN', 1, now() - interval '1 day'), ('*', 'NGN', 2, now() + interval '1 day')"
    )

    with world.rt.begin() as conn:
        found = wallet_ledger.books(conn, [till.account], world.rt.now())[till.account]

    assert sorted(found, key=lambda price: price.own) == [Price("*", 400, False), Price("GB", 900, True)]
