"""Campaigns by Celery: producers create, load and control them through the broker, and the clock drives them."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages import dead_letters
from pipeline.stages.admin import producer_keys
from pipeline.stages.admin.audit import audit
from pipeline.stages.campaigns import control as operations
from pipeline.stages.campaigns.approve import approve
from pipeline.stages.campaigns.find import find
from schema.campaign_requests import CampaignOperation
from schema.sealed_order import ProducerKey
from schema.vocabulary import CampaignState, DeadLetterSource
from tests.stages.launched import Launched, numbers
from tests.workers.conftest import Eventually, Site
from tests.world import World
from workers.producer_campaigns import LONGEST_WAIT, TooEarly, take_request
from workers.task_calls import check_call, expand_call, prepare_call

DEFINITION = {
    "account": "acme",
    "name": "spring",
    "sender": "ACME",
    "body": "Hello ${name}",
    "canary": 1,
    "canary_soak": 0,
}
OF = {"account": "acme", "campaign": "spring"}


def page(number: int, *phones: str) -> dict[str, Any]:
    return OF | {"page": number, "recipients": [{"to": phone, "merge": {"name": "Ada"}} for phone in phones]}


def control(operation: str, **more: Any) -> dict[str, Any]:
    return OF | {"operation": operation} | more


@pytest.fixture
def keyed(settings: Settings, world: World) -> Iterator[Runtime]:
    """A runtime with a secret key."""
    rt = Runtime(settings.model_copy(update={"secret_key": SecretStr("a secret of these tests, long enough")}))
    yield rt
    rt.close()


def take(rt: Runtime, task: str, given: Any, id_: str | None = None) -> None:
    task_id = id_ or str(uuid4())
    take_request(rt, f"sms.campaign.{task}", task_id, rt.new_ids(), given)


def reasons(rt: Runtime) -> list[str]:
    return sorted(each["reason"] for each in dead_letters.listed(rt, DeadLetterSource.BROKER, 100))


def test_a_campaign_is_created_loaded_checked_started_and_sent_by_tasks_in_any_order(
    site: Site, eventually: Eventually
) -> None:
    site.start_worker("--concurrency", "2")
    state = "SELECT state FROM campaigns"

    def ticks() -> None:
        site.publish("clock", [[], {}, {}], task="sms.campaigns")
        site.world.run("UPDATE campaign_progress SET worked_at = worked_at - interval '3 seconds'")

    def comes(to: CampaignState) -> bool:
        ticks()
        return site.world.rows(state) == [to]

    for task, given in (
        ("control", control("check", rows=3)),
        ("rows", page(2, "+447911123456")),
        ("rows", page(1, "+2348012345678", "+2348012345679")),
        ("create", DEFINITION),
        ("create", DEFINITION),
        ("rows", page(2, "+447911123456")),
    ):
        site.publish("campaign", [[given], {}, {}], task=f"sms.campaign.{task}")
    eventually(lambda: comes(CampaignState.QUOTED), 60)
    approve(site.rt, find(site.rt, "acme", "spring").id)
    site.publish("campaign", [[control("start")], {}, {}], task="sms.campaign.control")
    eventually(lambda: comes(CampaignState.FINISHED), 60)

    assert site.world.rows("SELECT status FROM messages") == ["sent"] * 3
    assert site.world.rows("SELECT sent, skipped, left_out FROM campaign_progress") == [(3, 0, 0)]
    assert site.world.rows("SELECT created_by FROM campaigns") == ["system:producer"]
    assert reasons(site.rt) == []
    site.publish("campaign", [[], {}, {}], task="sms.campaign.create")
    site.publish("campaign", [["no id"], {}, {}], task="sms.campaign.expand")
    eventually(lambda: reasons(site.rt) == ["arguments", "arguments"])
    assert [finding for finding in audit(site.rt) if finding.broken] == []


def test_what_is_invalid_or_not_possible_becomes_a_dead_letter_and_changes_nothing(world: World) -> None:
    take(world.rt, "create", DEFINITION)

    for task, given in (
        ("create", DEFINITION | {"body": "Another text"}),  # its name is taken
        ("create", DEFINITION | {"name": "x", "surprise": 1}),
        ("create", DEFINITION | {"name": "x", "sender": "OTHER"}),
        ("create", ["no object"]),
        ("rows", page(0, "+2348012345678")),
        ("rows", page(1)),
        ("control", control("approve")),
        ("control", control("pause")),
        ("control", control("end_repeat")),  # it does not repeat
    ):
        take(world.rt, task, given)

    assert reasons(world.rt) == ["campaign_conflict"] * 3 + ["campaign_invalid"] * 6
    assert world.rows("SELECT state FROM campaigns") == ["draft"]


def test_a_page_before_its_campaign_is_tried_again_for_a_while(world: World) -> None:
    request = world.rt.new_ids()
    for seconds in (0, LONGEST_WAIT - 10):
        world.run("UPDATE redeliveries SET created_at = now() - %(wait)s * interval '1 second'", wait=seconds)
        with pytest.raises(TooEarly):
            take_request(world.rt, "sms.campaign.rows", str(request), request, page(1, "+2348012345678"))
    world.run("UPDATE redeliveries SET created_at = now() - %(wait)s * interval '1 second'", wait=LONGEST_WAIT)

    take_request(world.rt, "sms.campaign.rows", str(request), request, page(1, "+2348012345678"))

    assert reasons(world.rt) == ["campaign_unknown"]


def test_an_account_may_require_that_its_campaigns_are_sealed(keyed: Runtime, world: World) -> None:
    key = ProducerKey.read(producer_keys.create_key(keyed, "acme"))
    producer_keys.require_sealed(keyed, "acme", True)
    task_id = str(uuid4())

    take(keyed, "create", DEFINITION)
    take(keyed, "create", key.seal(task_id, DEFINITION))  # of another task
    take(keyed, "create", key.seal(task_id, DEFINITION | {"account": "other"}), task_id)
    assert world.rows("SELECT count(*) FROM campaigns") == [0]
    take(keyed, "create", key.seal(task_id, DEFINITION), task_id)

    assert world.rows("SELECT name FROM campaigns") == ["spring"]
    assert len(reasons(keyed)) == 3


def test_operations_that_were_done_already_change_nothing(world: World) -> None:
    take(world.rt, "create", DEFINITION)
    take(world.rt, "rows", page(1, "+2348012345678"))
    entries = "SELECT count(*) FROM audit_log WHERE subject_table = 'campaigns'"

    for operation in (CampaignOperation.CHECK, CampaignOperation.ABORT):
        take(world.rt, "control", control(operation))
        before = world.rows(entries)
        take(world.rt, "control", control(operation))
        assert world.rows(entries) == before

    assert world.rows("SELECT state FROM campaigns") == ["aborted"]
    assert reasons(world.rt) == []


def test_hints_of_campaigns_hold_an_id_and_expire(world: World) -> None:
    id_ = world.rt.new_ids()

    for call in (check_call(id_), expand_call(id_), prepare_call(id_)):
        assert (call.args, call.queue) == ((str(id_),), "campaign")
        assert call.expires


def test_a_message_that_comes_again_undoes_nothing_that_was_done_since(world: World) -> None:
    campaign = Launched(world, numbers(1), CampaignState.PAUSED, name="spring")
    pages, resume, pause = (world.rt.new_ids() for _ in range(3))

    def again(request: UUID, task: str, given: Any) -> None:
        take_request(world.rt, f"sms.campaign.{task}", str(request), request, given)

    again(resume, "control", control("resume"))
    operations.pause(world.rt, campaign.id)
    again(resume, "control", control("resume"))  # its worker died before it was acknowledged
    assert campaign.state == "paused"
    operations.resume(world.rt, campaign.id)
    again(pause, "control", control("pause"))
    operations.resume(world.rt, campaign.id)
    again(pause, "control", control("pause"))
    assert campaign.state == "running"

    take(world.rt, "create", DEFINITION | {"name": "autumn"})
    autumn = page(1, "+2348012345678") | {"campaign": "autumn"}
    again(pages, "rows", autumn)
    take(world.rt, "control", control("check") | {"campaign": "autumn"})
    again(pages, "rows", autumn)
    assert reasons(world.rt) == []
