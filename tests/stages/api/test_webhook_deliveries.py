"""Webhook deliveries: which events go to which endpoint, in which order, how often, and when they are given up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import event

from pipeline.dialects.registry import DIALECTS
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.api import webhook_deliveries, webhook_endpoints
from pipeline.stages.api.webhook_deliveries import CallOutcome, DeliveryJob
from pipeline.stages.cancel import cancel
from pipeline.stages.hourly_maintenance import maintain
from pipeline.stages.promote import promote
from pipeline.stages.settle import settle, settle_on_arrival
from pipeline.store import receipts
from schema.api import MessageEvent
from schema.carriage import Receipt
from schema.message import Accepted
from schema.vocabulary import Code, ReceiptVerdict, Status
from tests.dialects.vendors import Vendor
from tests.world import World, message_ids

#: a schedule with one further try
ONCE_MORE = (60.0,)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"secret_key": SecretStr("a secret of these tests, long enough")})


@pytest.fixture
def endpoint(world: World) -> UUID:
    """An endpoint of the world's account."""
    return make(world)


def make(world: World, dialect: Vendor = Vendor.ROBASE) -> UUID:
    url = "https://hooks.example.org/sms"
    made, _ = webhook_endpoints.create(world.rt, world.account, DIALECTS[dialect], url, verify=lambda *_: None)
    return made.id


def claim(rt: Runtime, most: int = 100, **rooms: int) -> list[DeliveryJob]:
    return webhook_deliveries.claim(rt, {UUID(channel): room for channel, room in rooms.items()}, most).jobs


def statuses(jobs: list[DeliveryJob]) -> list[str]:
    return sorted(str(event_of(each).status) for each in jobs)


def event_of(job: DeliveryJob) -> MessageEvent:
    assert isinstance(job.notification, MessageEvent)
    return job.notification


def accepted(job: DeliveryJob, answer: str = "200") -> CallOutcome:
    return CallOutcome(job, answer, accepted=True)


def failed(job: DeliveryJob, schedule: tuple[float, ...] = ONCE_MORE, **fields: Any) -> CallOutcome:
    return CallOutcome(job, "500", accepted=False, schedule=schedule, **fields)


def make_due(world: World) -> None:
    world.run("UPDATE webhook_deliveries SET due_at = now() - interval '1 second' WHERE state = 'waiting'")


def make_delivered(world: World) -> None:
    """Let a receipt say that every sent message was delivered."""
    sent = world.rows("SELECT id FROM messages WHERE status = 'sent'")
    kept = [Receipt("alpha", str(each), ReceiptVerdict.DELIVERED, None, each, None, None, "{}") for each in sent]
    with world.rt.begin() as conn:
        receipts.keep(conn, world.rt.new_ids(), kept)
    settle(world.rt)


def states(world: World) -> list[tuple[str, str, int]]:
    return sorted(world.rows("SELECT status, state, tries FROM webhook_deliveries"))


# Which moves ---------------------------------------------------------------------------------------------------


def test_an_endpoint_gets_the_events_queued_and_sent_of_a_message(world: World, endpoint: UUID) -> None:
    answer = world.send()

    [queued] = claim(world.rt)
    webhook_deliveries.record(world.rt, [accepted(queued)])
    [sent] = claim(world.rt)

    notification = event_of(sent)
    assert [event_of(queued).status, notification.status] == [Status.QUEUED, Status.SENT]
    assert (notification.message, notification.request, notification.endpoint) == (
        answer.messages[0],
        answer.request,
        endpoint,
    )
    assert (notification.phone, notification.country, notification.sender, notification.body) == (
        "+2348012345678",
        "NG",
        "ACME",
        "Your ride arrives at 9.",
    )
    assert (notification.segments, notification.amount, notification.currency, notification.carrier) == (
        1,
        400,
        "NGN",
        "alpha",
    )
    assert (notification.account, notification.attempt, notification.test, notification.error_code) == (
        "acme",
        1,
        False,
        None,
    )
    assert notification.carrier_ref
    assert sent.secrets[0].startswith(b"whsec_")


def test_a_message_without_funds_makes_a_rejected_event(world: World, endpoint: UUID) -> None:
    world.run("UPDATE wallets SET balance = 400")

    world.send("+2348012345678", "+2348012345679")

    assert statuses(claim(world.rt)) == ["queued", "rejected"]
    assert sorted(world.rows("SELECT status FROM events")) == ["queued", "rejected", "sent"]


def test_a_scheduled_message_makes_one_queued_event_when_it_is_due(world: World, endpoint: UUID) -> None:
    world.add_carrier("alpha", {"refuse_transient": 1})
    world.pay(world.submit(world.order(send_at=datetime.now(UTC) + timedelta(hours=1))))
    early = claim(world.rt)
    world.make_due()

    world.deliver_all(promote(world.rt))
    world.make_due()
    another_round = promote(world.rt)

    assert (early, len(another_round)) == ([], 1)
    assert world.rows("SELECT status FROM events") == ["queued"]


def test_a_cancelled_message_makes_a_cancelled_event(world: World, endpoint: UUID) -> None:
    [answer] = world.submit(world.order(send_at=datetime.now(UTC) + timedelta(hours=1)))
    world.pay([answer])

    cancel(world.rt, None, message_ids(answer)[:1])

    assert statuses(claim(world.rt)) == ["cancelled"]


def test_delivered_and_failed_messages_make_events(world: World, endpoint: UUID) -> None:
    world.add_carrier("alpha", {"numbers": {"08": "refuse:1"}})
    world.send("+2348012345607", "+2348012345608")

    make_delivered(world)

    assert sorted(world.rows("SELECT status FROM events")) == ["delivered", "failed", "queued", "queued", "sent"]


def test_a_delivered_receipt_after_a_failed_one_makes_a_second_event_delivered_in_that_order(
    world: World, endpoint: UUID
) -> None:
    [message] = world.send().messages
    world.run("UPDATE webhook_deliveries SET state = 'delivered', done_at = now()")
    for verdict in (ReceiptVerdict.FAILED, ReceiptVerdict.DELIVERED):
        settle_on_arrival(world.rt, [Receipt("alpha", str(verdict), verdict, None, message, "1", None, "{}")])

    [first] = claim(world.rt)
    assert (event_of(first).status, event_of(first).error_code) == (Status.FAILED, Code.UNDELIVERED)
    webhook_deliveries.record(world.rt, [accepted(first)])
    make_due(world)
    [second] = claim(world.rt)

    assert (event_of(second).status, event_of(second).error_code) == (Status.DELIVERED, None)
    assert event_of(second).event != event_of(first).event


def test_all_endpoints_get_an_event_with_the_same_id(world: World) -> None:
    one, other = make(world), make(world)
    world.send()

    jobs = claim(world.rt)

    assert {event_of(each).endpoint for each in jobs} == {one, other}
    assert len({event_of(each).event for each in jobs}) == 1
    assert len({event_of(each).delivery for each in jobs}) == 2


def test_an_endpoint_gets_events_of_its_own_api_and_of_orders_without_an_api(world: World, endpoint: UUID) -> None:
    ours = world.send().messages[0]
    through = world.send(door="robase.batch").messages[0]
    world.send(door="webex")

    assert {event_of(each).message for each in claim(world.rt)} == {ours, through}


def test_a_callback_url_of_a_request_replaces_the_endpoint_and_is_signed_with_the_api_key(world: World) -> None:
    make(world, Vendor.TELESIGN)
    challenge(world, request := world.rt.new_ids())
    world.deliver_all(world.pay(_ingest(world, request)))

    [job] = claim(world.rt)

    assert (job.url, job.secrets) == ("https://customer.example/callback", (b"the key",))
    assert (event_of(job).handle, event_of(job).dialect) == ("CUSTOMER", Vendor.TELESIGN)
    assert (event_of(job).endpoint, event_of(job).request) == (None, request)


def test_deliveries_to_a_telesign_endpoint_are_signed_with_the_accounts_key(world: World) -> None:
    endpoint = make(world, Vendor.TELESIGN)
    challenge(world, uuid4())
    world.send()

    [job] = claim(world.rt)

    assert (job.secrets, event_of(job).handle, event_of(job).endpoint) == ((b"the key",), "CUSTOMER", endpoint)


def test_deliveries_are_signed_with_a_replaced_key_until_it_has_expired(world: World) -> None:
    make(world, Vendor.TELESIGN)
    challenge(world, uuid4())
    replace_key = """
        INSERT INTO api_keys (account_id, dialect, handle, sealed, last_characters, replaces)
        SELECT account_id, dialect, 'SUCCESSOR', %(sealed)s, '', id FROM api_keys
    """
    world.run(replace_key, sealed=world.rt.vault.seal("key", b"the next key"))
    world.run("UPDATE api_keys SET expires_at = now() + interval '1 day' WHERE handle = 'CUSTOMER'")
    world.send()
    [during] = claim(world.rt)
    world.run("UPDATE api_keys SET expires_at = now() WHERE handle = 'CUSTOMER'")
    world.send()
    [after] = claim(world.rt)

    assert [event_of(each).handle for each in (during, after)] == ["CUSTOMER", "SUCCESSOR"]
    assert [each.secrets for each in (during, after)] == [(b"the key",), (b"the next key",)]


def challenge(world: World, request: UUID) -> None:
    """Write a TeleSign key, and a challenge sent with it that names a callback."""
    world.run(
        """
        WITH key AS (INSERT INTO api_keys (account_id, dialect, handle, sealed, last_characters)
                     VALUES (%(account)s, 'telesign', 'CUSTOMER', %(sealed)s, '') RETURNING id)
        INSERT INTO challenges (id, account_id, key_id, code_hash, max_attempts, expires_at, callback_url)
        SELECT %(request)s, %(account)s, id, '', 3, now(), 'https://customer.example/callback' FROM key
        """,
        account=world.account,
        request=request,
        sealed=world.rt.vault.seal("key", b"the key"),
    )


def _ingest(world: World, request: UUID) -> list[Accepted]:
    from pipeline.stages.admit import admit
    from pipeline.stages.ingest import ingest

    return ingest(world.rt, admit(world.rt, [(request, world.order(door="telesign"))], by_api=True))


# What it costs those who do not ask ----------------------------------------------------------------------------


@contextmanager
def counted(rt: Runtime) -> Iterator[list[str]]:
    """Count the statements that run meanwhile."""
    said: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    event.listen(rt.engine, "before_cursor_execute", note)
    yield said
    event.remove(rt.engine, "before_cursor_execute", note)


def test_an_account_that_does_not_subscribe_runs_no_statement_for_events(world: World) -> None:
    hints = world.pay(world.submit(world.order()))
    later = world.order(send_at=datetime.now(UTC) + timedelta(hours=1))
    waiting = world.submit(later, world.order())

    with counted(world.rt) as said:
        world.pay(waiting)
        world.make_due()
        promote(world.rt)
        world.deliver_all(hints)

    assert [each for each in said if "INTO events" in each or "deliveries" in each] == []


# Claiming ------------------------------------------------------------------------------------------------------


def test_a_claimed_delivery_is_claimed_again_only_after_its_lease_ends(world: World, endpoint: UUID) -> None:
    world.send()
    [first] = claim(world.rt)

    meanwhile = claim(world.rt)
    make_due(world)
    [again] = [each for each in claim(world.rt) if event_of(each).delivery == event_of(first).delivery]

    assert meanwhile == []
    assert (event_of(again).attempt, event_of(again).event) == (2, event_of(first).event)


def test_an_outcome_recorded_after_the_lease_was_lost_is_discarded(world: World, endpoint: UUID) -> None:
    world.send()
    [late] = claim(world.rt)
    make_due(world)
    claim(world.rt)

    webhook_deliveries.record(world.rt, [accepted(late)])

    assert ("queued", "waiting", 2) in states(world)


def test_a_later_event_waits_until_the_earlier_one_is_delivered_or_given_up(world: World, endpoint: UUID) -> None:
    world.send()
    make_delivered(world)

    [queued] = claim(world.rt)
    webhook_deliveries.record(world.rt, [failed(queued)])
    none = claim(world.rt)
    make_due(world)
    [queued] = claim(world.rt)
    webhook_deliveries.record(world.rt, [accepted(queued)])
    [sent] = claim(world.rt)
    webhook_deliveries.record(world.rt, [failed(sent, schedule=())])
    [delivered] = claim(world.rt)

    assert none == []
    assert [event_of(each).status for each in (queued, sent, delivered)] == [
        Status.QUEUED,
        Status.SENT,
        Status.DELIVERED,
    ]
    assert ("sent", "dead", 1) in states(world)


def test_a_waiting_later_event_does_not_block_the_earlier_one_of_its_message(world: World, endpoint: UUID) -> None:
    world.send()
    world.run(
        "UPDATE webhook_deliveries"
        " SET due_at = now() - CASE status WHEN 'sent' THEN interval '2 s' ELSE interval '1 s' END"
    )
    channel = {str(endpoint): 1}

    looks = [statuses(claim(world.rt, **channel)) for _ in range(2)]

    assert looks == [[], ["queued"]]


def test_the_backlog_of_one_endpoint_does_not_fill_a_claim(world: World, endpoint: UUID) -> None:
    for _ in range(3):
        world.send(*[f"+23480123456{n:02}" for n in range(20)])
    other = make(world)
    world.send()

    jobs = claim(world.rt, most=30)

    assert len(jobs) == world.rt.settings.webhook_lane + 1
    assert other in {event_of(each).endpoint for each in jobs}


def test_a_claim_takes_no_more_than_the_free_slots_of_an_endpoint(world: World, endpoint: UUID) -> None:
    world.send(*[f"+23480123456{n:02}" for n in range(20)])

    assert claim(world.rt, **{str(endpoint): 0}) == []
    assert len(claim(world.rt, **{str(endpoint): 3})) == 3
    assert len(claim(world.rt, most=2)) == 2


def test_deliveries_given_back_are_claimed_again_without_counting_an_attempt(world: World, endpoint: UUID) -> None:
    world.send()
    jobs = claim(world.rt)

    webhook_deliveries.give_back(world.rt, jobs)

    [again] = claim(world.rt)
    assert event_of(again).attempt == 1


def test_deliveries_to_an_endpoint_that_no_longer_exists_are_dropped(world: World, endpoint: UUID) -> None:
    world.send()
    world.run("DELETE FROM webhook_endpoints")

    assert claim(world.rt) == []
    assert {state for _, state, _ in states(world)} == {"dead", "waiting"}


def test_removing_an_endpoint_drops_its_deliveries(world: World, endpoint: UUID) -> None:
    world.send()

    webhook_endpoints.remove(world.rt, None, endpoint)

    assert {state for _, state, _ in states(world)} == {"dead"}


# Failing -------------------------------------------------------------------------------------------------------


def test_a_failed_delivery_is_retried_by_its_schedule_and_given_up_after_the_last_retry(
    world: World, endpoint: UUID
) -> None:
    world.send()
    [job] = claim(world.rt)

    webhook_deliveries.record(world.rt, [failed(job)])
    [(wait, answer)] = world.rows(
        "SELECT extract(epoch FROM due_at - now())::float8, answer FROM webhook_deliveries WHERE status = 'queued'"
    )
    make_due(world)
    [again] = claim(world.rt)
    webhook_deliveries.record(world.rt, [failed(again)])

    assert 59 <= wait <= 73
    assert answer == "500"
    assert ("queued", "dead", 2) in states(world)


def test_an_endpoint_that_fails_for_days_is_suspended_and_its_events_wait(world: World, endpoint: UUID) -> None:
    world.send()
    [job] = claim(world.rt)
    early = webhook_deliveries.record(world.rt, [failed(job)])
    world.run("UPDATE webhook_endpoints SET failing_since = failing_since - interval '5 days 1 minute'")
    make_due(world)
    [job] = claim(world.rt)

    late = webhook_deliveries.record(world.rt, [failed(job, schedule=(1.0, 1.0))])
    make_due(world)

    assert (early, late) == (set(), {endpoint})
    assert claim(world.rt) == []
    webhook_endpoints.resume(world.rt, None, endpoint)
    assert statuses(claim(world.rt)) == ["queued"]


def test_one_successful_delivery_resets_the_failing_time_of_an_endpoint(world: World, endpoint: UUID) -> None:
    world.send("+2348012345601", "+2348012345602")
    one, other = claim(world.rt)

    webhook_deliveries.record(world.rt, [failed(one)])
    failing = world.rows("SELECT failing_since IS NOT NULL FROM webhook_endpoints")
    webhook_deliveries.record(world.rt, [accepted(other)])

    assert (failing, world.rows("SELECT failing_since FROM webhook_endpoints")) == ([True], [None])


def test_an_endpoint_that_answers_gone_is_suspended_at_once(world: World, endpoint: UUID) -> None:
    world.send()
    [job] = claim(world.rt)

    suspended = webhook_deliveries.record(world.rt, [failed(job, schedule=(), gone=True)])

    assert suspended == {endpoint}
    assert ("queued", "waiting", 1) in states(world)


def test_an_event_without_a_call_does_not_change_the_failing_time_of_its_endpoint(world: World, endpoint: UUID) -> None:
    world.run("UPDATE webhook_endpoints SET failing_since = now()")
    world.send()
    [job] = claim(world.rt)

    webhook_deliveries.record(world.rt, [CallOutcome(job, "unsaid", accepted=True, called=False)])

    assert world.rows("SELECT failing_since IS NOT NULL FROM webhook_endpoints") == [True]
    assert ("queued", "delivered", 1) in states(world)


def test_secrets_encrypted_with_another_key_are_left_out(world: World, endpoint: UUID) -> None:
    world.send()
    world.run("UPDATE webhook_endpoints SET sealed = '\\x01'")

    assert [each.secrets for each in claim(world.rt)] == [()]


def test_deliveries_are_signed_with_both_secrets_for_a_day_after_a_rotation(world: World, endpoint: UUID) -> None:
    world.send("+2348012345601", "+2348012345602")
    webhook_endpoints.rotate_secret(world.rt, None, endpoint)

    fresh = claim(world.rt, most=1)
    world.run("UPDATE webhook_endpoints SET rotated_at = now() - interval '25 hours'")
    stale = claim(world.rt)

    assert ([len(each.secrets) for each in fresh], [len(each.secrets) for each in stale]) == ([2], [1])


# Again ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def notification(world: World, endpoint: UUID) -> list[DeliveryJob]:
    """What was told of one message: queued heard, sent given up."""
    world.send()
    [queued] = claim(world.rt)
    webhook_deliveries.record(world.rt, [accepted(queued)])
    [sent] = claim(world.rt)
    webhook_deliveries.record(world.rt, [failed(sent, schedule=())])
    return [queued, sent]


WHICH: dict[str, Callable[[list[DeliveryJob]], UUID]] = {
    "a call": lambda notification: event_of(notification[0]).delivery,
    "a message": lambda notification: event_of(notification[0]).message,
}


@pytest.mark.parametrize(("named", "count"), [("a call", 1), ("a message", 2)])
def test_deliveries_are_replayed_by_their_id_or_their_messages_id(
    world: World, notification: list[DeliveryJob], named: str, count: int
) -> None:
    wanted = WHICH[named](notification)

    foreign = webhook_deliveries.replay(world.rt, world.account + 1, [wanted])
    again = webhook_deliveries.replay(world.rt, world.account, [wanted])

    assert (foreign, again) == (0, count)
    [queued] = claim(world.rt)
    assert (event_of(queued).status, event_of(queued).attempt) == (Status.QUEUED, 1)
    assert event_of(queued).event == event_of(notification[0]).event


@pytest.mark.parametrize(("only_dead", "count"), [(True, 1), (False, 2)])
def test_deliveries_of_an_endpoint_are_replayed_since_a_time(
    world: World, endpoint: UUID, notification: list[DeliveryJob], only_dead: bool, count: int
) -> None:
    now = datetime.now(UTC)

    later = webhook_deliveries.replay_since(world.rt, None, endpoint, now + timedelta(hours=1))
    again = webhook_deliveries.replay_since(
        world.rt, world.account, endpoint, now - timedelta(hours=1), only_dead=only_dead
    )

    assert (later, again) == (0, count)
    assert webhook_deliveries.replay_since(world.rt, world.account + 1, endpoint, now) is None


def test_deliveries_are_listed_with_the_endpoints_responses(
    world: World, endpoint: UUID, notification: list[DeliveryJob]
) -> None:
    rows = webhook_deliveries.list_calls(world.rt, endpoint=endpoint, message=event_of(notification[0]).message)

    assert {(row["status"], row["state"], row["answer"]) for row in rows} == {
        ("queued", "delivered", "200"),
        ("sent", "dead", "500"),
    }


def test_old_deliveries_are_deleted(world: World, endpoint: UUID, notification: list[DeliveryJob]) -> None:
    world.run("UPDATE webhook_deliveries SET done_at = now() - interval '31 days' WHERE state = 'dead'")

    maintain(world.rt)

    assert states(world) == [("queued", "delivered", 1)]
