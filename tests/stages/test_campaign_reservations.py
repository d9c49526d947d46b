"""A campaign that holds its whole quote when it begins: other traffic cannot use that up, and the rest is released."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import pytest

from pipeline.errors import Conflict, InsufficientFunds
from pipeline.rules.money.quotes import Quote, Tally
from pipeline.stages.admin.accounts import list_accounts
from pipeline.stages.admin.audit import audit
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.advance import advance
from pipeline.stages.campaigns.results import standing
from pipeline.store import wallet_ledger
from pipeline.store.consent import opt_outs
from pipeline.store.consent.opt_outs import OptOut
from schema.vocabulary import CampaignState
from tests.stages.launched import Died, Launched, dying_before_commit, numbers
from tests.world import World
from workers.campaign_wiring import expand_portion

MONEY = 1_000_000


@pytest.fixture(autouse=True)
def _sound(world: World) -> Iterator[None]:
    yield
    assert [finding for finding in audit(world.rt) if finding.broken] == []


def quoted(world: World, count: int, quota: int = 0, **columns: Any) -> Launched:
    """Return an approved campaign of `count` recipients that reserves its quote, of which the quota pays some."""
    cost = (count - quota) * 400
    quote = Quote(total=Tally(messages=count, segments=count, amount=cost, quota=quota)).to_json()
    fields: dict[str, Any] = {"reserve": True, "quote": quote, "max_cost": cost, "started_at": None} | columns
    return Launched(world, numbers(count), CampaignState.APPROVED, **fields)


def grant(world: World, month: date, segments: int) -> None:
    with world.rt.begin() as conn:
        wallet_ledger.grant(conn, world.account, month, segments, "test", world.rt.now())


def this_month(world: World) -> date:
    return world.rt.now().date().replace(day=1)


def quotas_left(world: World) -> list[int]:
    return world.rows("SELECT granted - used FROM quotas ORDER BY month")


def idle(world: World) -> None:
    world.run("UPDATE campaign_progress SET worked_at = worked_at - interval '1 minute'")


def test_other_traffic_cannot_use_up_what_a_campaign_has_reserved(world: World) -> None:
    grant(world, this_month(world), 3)
    with world.rt.begin() as conn:
        wallet_ledger.set_price(conn, "44", "NGN", MONEY - 800, world.rt.now())
        opt_outs.add(conn, [(OptOut(world.account, numbers(5)[4]), "STOP")])
    campaign = quoted(world, 5, quota=3)

    control.start(world.rt, campaign.id)
    begun = world.balance(), quotas_left(world), list_accounts(world.rt)[0]["reserved"]
    world.send("+447911123456")
    campaign.run()

    assert begun == (MONEY - 800, [0], 800)
    assert (world.balance(), campaign.state, campaign.counts) == (0, "running", (4, 1, 0))
    assert standing(world.rt, campaign.id).reserved == 400
    idle(world)
    advance(world.rt)
    assert (world.balance(), quotas_left(world), campaign.state) == (400, [0], "finished")
    assert standing(world.rt, campaign.id).reserved is None
    query = "SELECT kind, unit, amount, from_book, to_book FROM ledger WHERE campaign_id = %(id)s ORDER BY id"
    assert world.rows(query, id=campaign.id) == [
        ("reserve", "NGN", 800, "wallet", "reserved"),
        ("reserve", "SEG", 3, "wallet", "reserved"),
        ("hold", "NGN", 400, "reserved", "held"),
        ("hold", "SEG", 3, "reserved", "held"),
        ("release", "NGN", 400, "reserved", "wallet"),
    ]


def abort(campaign: Launched) -> None:
    control.abort(campaign.rt, campaign.id)


def expire(campaign: Launched) -> None:
    campaign.set(valid_until=campaign.rt.now())
    advance(campaign.rt)


@pytest.mark.parametrize("end", [abort, expire])
def test_what_is_left_is_released_once_however_often_a_campaign_is_ended(
    world: World, end: Callable[[Launched], None]
) -> None:
    world.rt.settings = world.rt.settings.model_copy(update={"campaign_ahead": 5})
    campaign = quoted(world, 40)
    control.start(world.rt, campaign.id)
    campaign.deliver(campaign.expand(portions=1))
    with dying_before_commit(world.rt), suppress(Died):
        end(campaign)
    left = world.balance(), campaign.state

    def work(place: int) -> None:
        with suppress(Conflict):
            end(campaign) if place % 2 else expand_portion(world.rt, campaign.id)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(12)))

    assert left == (MONEY - 40 * 400, "running")
    sent, _, left_out = campaign.counts
    assert (sent + left_out, world.balance()) == (40, MONEY - sent * 400)
    assert left_out


def test_a_start_is_refused_while_the_money_does_not_suffice(world: World) -> None:
    campaign = quoted(world, 2501)

    with pytest.raises(InsufficientFunds, match=r"is to hold 10,004\.00 NGN .* top up"):
        control.start(world.rt, campaign.id)
    assert (campaign.state, world.balance()) == ("approved", MONEY)
    with world.rt.begin() as conn:
        wallet_ledger.top_up(conn, world.account, 400, "test", world.rt.now())

    assert control.start(world.rt, campaign.id) is CampaignState.RUNNING
    control.pause(world.rt, campaign.id)
    control.resume(world.rt, campaign.id)  # reserves nothing again
    assert world.balance() == 0


def test_a_scheduled_campaign_is_paused_if_the_money_does_not_suffice_when_it_begins(world: World) -> None:
    campaign = quoted(world, 2501, send_at=world.rt.now() + timedelta(hours=1))

    assert control.start(world.rt, campaign.id) is CampaignState.SCHEDULED
    campaign.set(send_at=world.rt.now())
    advance(world.rt)

    assert (campaign.state, campaign.reason, world.balance()) == ("paused", "insufficient_funds", MONEY)
    with pytest.raises(InsufficientFunds):
        control.resume(world.rt, campaign.id)
    assert campaign.state == "paused"


def test_reserved_quota_pays_only_for_messages_of_its_month(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    month = this_month(world)
    before = (month - timedelta(days=1)).replace(day=1)
    grant(world, before, 4)
    grant(world, month, 4)
    campaign = quoted(world, 5, quota=4)

    with monkeypatch.context() as patched:
        at = world.rt.now().replace(year=before.year, month=before.month, day=1)
        patched.setattr(world.rt, "common_time", lambda _: at)
        control.start(world.rt, campaign.id)
    begun = quotas_left(world)
    campaign.run()
    idle(world)
    advance(world.rt)

    assert (begun, quotas_left(world)) == ([0, 4], [4, 0])
    assert (campaign.state, campaign.counts, world.balance()) == ("finished", (5, 0, 0), MONEY - 400)
