"""A month by the runtime's clock alone: prices, quotas, quiet hours, statuses, events and ledger rows follow it."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.stages.admin.audit import audit
from pipeline.stages.deliver import deliver
from pipeline.stages.promote import promote
from pipeline.stages.settle import settle_on_arrival
from pipeline.store import wallet_ledger
from schema.carriage import Receipt
from schema.message import Hint
from schema.vocabulary import ReceiptVerdict
from tests.world import World

DAY, NOON, EVENING = timedelta(days=1), timedelta(hours=12), timedelta(hours=20, minutes=30)

OF_MONTH = """
SELECT sum(amount) FROM ledger WHERE kind = %(kind)s AND unit = 'NGN' AND at >= %(begins)s AND at < %(ends)s
"""


class Month:
    """A month that is simulated: the next one, so that the database's clock never agrees with it."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.begins = (datetime.now(UTC).replace(day=1) + 32 * DAY).replace(day=1, hour=0, minute=0, second=0)
        self.begins = self.begins.replace(microsecond=0)
        self.ends = (self.begins + 32 * DAY).replace(day=1)
        self.now = self.begins
        monkeypatch.setattr(world.rt, "now", lambda: self.now)
        monkeypatch.setattr(world.rt, "common_time", lambda _clock: self.now)

    def accept(self, at: datetime) -> list[Hint]:
        """Take in and bill a message at this time; return its batch to deliver."""
        self.now = at
        order = self.world.order(valid_until=at + 2 * DAY)
        return self.world.pay(self.world.submit(order))

    def report(self) -> None:
        """Report all sent messages as delivered, a minute later."""
        self.now += timedelta(minutes=1)
        sent = self.world.rows("SELECT id FROM messages WHERE status = 'sent'")
        settle_on_arrival(
            self.world.rt,
            [
                Receipt("alpha", str(id_), ReceiptVerdict.DELIVERED, None, id_, code=None, at=None, raw="")
                for id_ in sent
            ],
        )


def test_a_month_can_be_simulated_by_the_runtimes_clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    month = Month(world, monkeypatch)
    half = month.begins + 14 * DAY
    with world.rt.begin() as conn:
        wallet_ledger.set_price(conn, "*", "NGN", 500, half)
        wallet_ledger.grant(conn, world.account, month.begins.date(), 2, "a start", month.now)
    world.run("UPDATE accounts SET subscribes = true")
    world.run(
        "INSERT INTO quiet_hours (account_id, country, class, from_minute, until_minute, action) "
        "VALUES (%(id)s, 'NG', 'transactional', 22 * 60, 7 * 60, 'defer')",
        id=world.account,
    )

    noons = [month.begins + n * DAY + NOON for n in range(0, 28, 3)] + [month.ends + NOON]
    for noon in noons:
        deliver(world.rt, [hint.batch for hint in month.accept(noon)])
        month.report()
    late = month.accept(month.begins + 20 * DAY + EVENING)  # in Lagos 21:30, and claimed when it is 22:00
    month.now = month.begins + 20 * DAY + EVENING + timedelta(minutes=30)
    assert deliver(world.rt, [hint.batch for hint in late]) == []
    morning = month.begins + 21 * DAY + timedelta(hours=6)  # 07:00 in Lagos
    assert world.rows("SELECT due_at FROM batches WHERE status = 'waiting'") == [morning]
    world.make_due()
    month.now = morning
    deliver(world.rt, [hint.batch for hint in promote(world.rt)])
    month.report()

    # two of quota, three at the first price; the last one is of the next month, which has no quota
    assert world.rows("SELECT amount, quota FROM messages WHERE sent_at <> %(late)s ORDER BY id", late=morning) == [
        *[(0, 1)] * 2,
        *[(400, 0)] * 3,
        *[(500, 0)] * 6,
    ]
    times, minute = sorted([*noons, morning]), timedelta(minutes=1)
    assert world.rows("SELECT sent_at, final_at FROM messages ORDER BY sent_at") == [(at, at + minute) for at in times]
    events_at = "SELECT at FROM events WHERE status = %(status)s ORDER BY at"
    assert world.rows(events_at, status="sent") == times
    assert world.rows(events_at, status="delivered") == [at + minute for at in times]
    for kind in ("hold", "capture"):
        assert world.rows(OF_MONTH, kind=kind, begins=month.begins, ends=month.ends) == [3 * 400 + 5 * 500 + 500]
    assert [finding for finding in audit(world.rt) if finding.broken] == []
