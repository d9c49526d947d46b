"""Persons are looked up with a sender of their account, and webhook endpoints get events when numbers change."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from pipeline.dialects.registry import DIALECTS
from pipeline.errors import AlreadyExists
from pipeline.settings import Settings
from pipeline.stages.admin.person_import import add_person, remove_person_number
from pipeline.stages.api import webhook_deliveries, webhook_endpoints
from pipeline.stages.api.persons import PersonQuery, add_number, drop_number, insert_person, look_up
from pipeline.stages.api.webhook_deliveries import CallOutcome, DeliveryJob
from pipeline.store import accounts
from schema.api import PersonEvent
from schema.vocabulary import EndpointState, NumberMove
from tests.dialects.vendors import Vendor
from tests.world import World

NUMBER = "+4915205555555"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"secret_key": SecretStr("a secret of these tests, long enough")})


def endpoint(world: World, dialect: Vendor = Vendor.SOLARIS, **fields: Any) -> UUID:
    url = "https://hooks.example.org/sms"
    made, _ = webhook_endpoints.create(
        world.rt, world.account, DIALECTS[dialect], url, verify=lambda *_: None, **fields
    )
    return made.id


def number(world: World, person: str = "anna") -> UUID:
    """Give a person a number; return its id."""
    insert_person(world.rt, world.account, person)
    given = add_number(world.rt, world.account, person, NUMBER)
    assert given
    assert given.phone_id
    return given.phone_id


def claim(world: World) -> list[DeliveryJob]:
    world.run("UPDATE webhook_deliveries SET due_at = now() - interval '1 second' WHERE state = 'waiting'")
    return webhook_deliveries.claim(world.rt, {}, 100).jobs


def notification(world: World) -> list[tuple[str, str, UUID]]:
    return list(world.rows("SELECT person_id, status, message_id FROM webhook_deliveries ORDER BY at, status"))


def test_a_person_is_found_with_a_sender_of_the_account_approved_in_the_numbers_country(world: World) -> None:
    with world.rt.begin() as conn:
        other, bare = accounts.create(conn, "other", "NGN"), accounts.create(conn, "bare", "NGN")
        assert other
        assert bare
        accounts.set_sender(conn, world.account, "GERMAN")
        accounts.set_sender(conn, other, "OTHER")
    world.run("UPDATE sender_ids SET countries = '{NG}' WHERE sender = 'ACME'")
    world.run("UPDATE sender_ids SET countries = '{DE}' WHERE sender = 'GERMAN'")
    number(world)
    insert_person(world.rt, other, "ben")

    wanted = [(bare, "anna"), (world.account, "anna"), (other, "ben"), (other, "anna")]
    found = look_up(world.rt, [PersonQuery(*each) for each in wanted])

    assert [each.person and each.person.id for each in found] == [None, "anna", "ben", None]
    assert [each.sender for each in found] == [None, "GERMAN", "OTHER", "OTHER"]


def test_each_solaris_endpoint_gets_events_when_a_number_is_added_and_dropped(world: World) -> None:
    one, other = endpoint(world), endpoint(world)
    endpoint(world, Vendor.ROBASE)

    made = number(world)
    dropped = drop_number(world.rt, world.account, "anna", made)

    assert dropped
    assert notification(world) == [("anna", "number_created", made)] * 2 + [("anna", "number_deleted", made)] * 2
    assert set(world.rows("SELECT endpoint_id FROM webhook_deliveries")) == {one, other}
    assert world.rows("SELECT count(DISTINCT event_id) FROM webhook_deliveries") == [2]


def test_changes_of_numbers_by_an_operator_make_events_too(world: World) -> None:
    endpoint(world)

    add_person(world.rt, "acme", "anna")
    add_person(world.rt, "acme", "anna", NUMBER, verified=True)
    with pytest.raises(AlreadyExists):
        add_person(world.rt, "acme", "anna", NUMBER)
    first = remove_person_number(world.rt, "acme", "anna")
    second = remove_person_number(world.rt, "acme", "anna")

    assert (first, second) == (True, False)
    assert [status for _, status, _ in notification(world)] == ["number_created", "number_deleted"]


def test_a_change_of_a_number_that_failed_makes_no_event(world: World) -> None:
    endpoint(world)
    made = number(world)

    again = add_number(world.rt, world.account, "anna", NUMBER)
    nobody = add_number(world.rt, world.account, "nobody", NUMBER)
    another = drop_number(world.rt, world.account, "anna", world.rt.new_ids())

    assert (again, nobody, another) == (None, None, False)
    assert notification(world) == [("anna", "number_created", made)]


def test_an_endpoint_gets_no_events_from_before_it_existed(world: World) -> None:
    number(world)
    endpoint(world)

    assert notification(world) == []


def test_a_webhook_delivery_of_a_person_event_has_all_its_data(world: World) -> None:
    id_ = endpoint(world, events=["PERSON_MOBILE_NUMBER_CREATED"])
    made = number(world)

    [job] = claim(world)

    assert isinstance(job.notification, PersonEvent)
    assert (job.notification.person, job.notification.number, job.notification.move) == (
        "anna",
        made,
        NumberMove.CREATED,
    )
    assert (job.notification.endpoint, job.notification.attempt, job.notification.dialect) == (id_, 1, Vendor.SOLARIS)
    assert job.notification.listens_to == {"PERSON_MOBILE_NUMBER_CREATED"}
    assert (job.concurrency_key, len(job.secrets)) == (id_, 1)


def test_the_event_of_a_dropped_number_is_delivered_after_that_of_its_creation(world: World) -> None:
    endpoint(world)
    drop_number(world.rt, world.account, "anna", number(world))

    [first] = claim(world)
    postponed = webhook_deliveries.claim(world.rt, {}, 100).jobs
    webhook_deliveries.record(world.rt, [CallOutcome(first, "200", accepted=True)])
    [second] = claim(world)

    assert postponed == []
    assert [each.notification.move for each in (first, second)] == [NumberMove.CREATED, NumberMove.DELETED]  # type: ignore[union-attr]


def test_person_events_and_message_events_are_claimed_together(world: World) -> None:
    endpoint(world)
    number(world)
    world.send()

    found = claim(world)

    assert sorted(type(each.notification).__name__ for each in found) == ["MessageEvent", "PersonEvent"]


@pytest.mark.parametrize(
    ("end", "left"),
    [
        pytest.param(
            lambda world, id_: webhook_endpoints.remove(world.rt, None, id_), [("dead", "removed")], id="removed"
        ),
        pytest.param(
            lambda world, id_: webhook_endpoints.change(
                world.rt, None, DIALECTS[Vendor.ROBASE], id_, state=EndpointState.SUSPENDED
            ),
            [("waiting", None)],
            id="suspended",
        ),
        pytest.param(
            lambda world, _id: world.run("DELETE FROM webhook_endpoints"),
            [("dead", "removed")],
            id="gone behind our back",
        ),
    ],
)
def test_events_are_not_delivered_to_a_removed_or_suspended_endpoint(
    world: World, end: Callable[[Any, UUID], Any], left: list[Any]
) -> None:
    id_ = endpoint(world)
    number(world)
    end(world, id_)

    assert claim(world) == []
    assert world.rows("SELECT state, answer FROM webhook_deliveries") == left


def test_only_the_own_account_can_replay_a_person_event(world: World) -> None:
    endpoint(world)
    made = number(world)
    webhook_deliveries.record(world.rt, [CallOutcome(each, "200", accepted=True) for each in claim(world)])

    scripted_vendor = webhook_deliveries.replay(world.rt, world.account + 1, [made])
    owner = webhook_deliveries.replay(world.rt, world.account, [made])

    assert (scripted_vendor, owner) == (0, 1)
