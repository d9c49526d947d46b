from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from pipeline.dialects.registry import capacities
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.audit import audit
from pipeline.stages.admin.prices import set_price
from pipeline.stages.admin.wallets import top_up
from pipeline.stages.admit import admit
from pipeline.stages.bill import bill
from pipeline.stages.ingest import ingest
from pipeline.transitions import new_requests
from schema.vocabulary import Code
from tests.world import World


def test_a_recipients_message_id_is_the_first_plus_its_place(world: World) -> None:
    [answer] = world.submit(world.order("+2348012345678", "12", "+447400123456"))

    first, refused, third = answer.messages
    assert first is not None
    assert refused is None
    assert third == UUID(int=first.int + 2)
    assert world.rows("SELECT id FROM messages ORDER BY id") == [first, third]
    assert [(refusal.code, refusal.index) for refusal in answer.refusals] == [(Code.PHONE_INVALID, 1)]


def test_messages_of_an_order_with_the_same_carrier_share_a_batch(world: World) -> None:
    world.add_carrier("beta", route="GB")

    [answer] = world.submit(world.order("+2348012345678", "+447400123456", "+2348012345679"))

    assert sorted(world.rows("SELECT carrier, size FROM batches")) == [("alpha", 2), ("beta", 1)]
    assert len(answer.batches) == 2


def test_a_batch_holds_at_most_the_configured_number_of_messages(world: World, settings: Settings) -> None:
    rt = Runtime(settings.model_copy(update={"batch_size": 10}))
    order = world.order(*(f"+23480123456{n:02}" for n in range(25)))

    [answer] = ingest(rt, admit(rt, [(rt.new_ids(), order)]))

    assert world.rows("SELECT size FROM batches ORDER BY first_id") == [10, 10, 5]
    assert len(answer.batches) == 3
    rt.close()


def test_orders_ingested_together_share_batches(world: World) -> None:
    answers = world.submit(world.order("+2348012345678"), world.order("+2348012345679"))

    assert world.rows("SELECT size FROM batches") == [2]
    assert answers[0].batches == answers[1].batches


def test_a_repeated_request_id_returns_the_first_response(world: World) -> None:
    request, order = world.rt.new_ids(), world.order("+2348012345678", "12")

    [first] = ingest(world.rt, admit(world.rt, [(request, order)]))
    [second] = ingest(world.rt, admit(world.rt, [(request, order)]))

    assert world.rows("SELECT count(*) FROM messages") == [1]
    assert (second.messages, second.refusals, second.request) == (first.messages, first.refusals, request)
    assert (first.replayed, second.replayed, second.batches) == (False, True, [])


def test_a_repeated_idempotency_key_returns_the_first_response(world: World) -> None:
    [first] = world.submit(world.order(idempotency_key="ride-9"))
    [second] = world.submit(world.order(idempotency_key="ride-9"))

    assert second.messages == first.messages
    assert second.request == first.request
    assert (second.replayed, second.altered) == (True, False)
    assert world.rows("SELECT count(*) FROM messages") == [1]


def test_a_different_order_under_a_used_idempotency_key_is_refused_as_a_conflict(world: World) -> None:
    world.submit(world.order(idempotency_key="ride-9"))

    [second] = world.submit(world.order(idempotency_key="ride-9", body="Something else"))

    assert (second.replayed, second.altered, second.messages) == (False, True, [None])
    assert [each.code for each in second.refusals] == [Code.IDEMPOTENCY_CONFLICT]
    assert world.rows("SELECT accepted, refusals->0->>'code' FROM requests ORDER BY accepted") == [
        (0, "idempotency_conflict"),
        (1, None),
    ]
    assert world.rows("SELECT count(*) FROM messages") == [1]


def test_an_order_under_a_producers_own_idempotency_scope_is_refused_as_a_conflict(world: World) -> None:
    world.submit(world.order(idempotency_key="ride-9", door="shop"))

    [second] = world.submit(world.order(idempotency_key="ride-9", door="shop", body="Something else"))

    assert [each.code for each in second.refusals] == [Code.IDEMPOTENCY_CONFLICT]


def by_api(world: World, **fields: Any) -> list[Any]:
    order = world.order(**fields)
    return ingest(world.rt, admit(world.rt, [(world.rt.new_ids(), order)], by_api=True))


def test_an_api_request_with_a_used_key_gets_the_first_response_even_if_it_differs(world: World) -> None:
    [first] = by_api(world, idempotency_key="ride-9", door="robase.send")

    [second] = by_api(world, idempotency_key="ride-9", door="robase.send", body="Something else")

    assert (second.replayed, second.altered, second.messages) == (True, True, first.messages)
    assert world.rows("SELECT count(*) FROM requests") == [1]


def test_a_different_order_under_a_used_request_id_adds_one_conflict_to_its_response(world: World) -> None:
    request = world.rt.new_ids()
    orders = [world.order(), world.order(), world.order(body="Something else"), world.order(body="Yet another")]

    for order in orders:
        ingest(world.rt, admit(world.rt, [(request, order)]))

    assert world.rows("SELECT accepted, jsonb_array_length(refusals), refusals->0->>'code' FROM requests") == [
        (1, 1, "idempotency_conflict")
    ]
    assert world.rows("SELECT count(*) FROM messages") == [1]


def test_an_idempotency_key_whose_order_could_not_be_paid_can_be_used_again(world: World) -> None:
    make_dear(world)
    [short] = world.submit(world.order(idempotency_key="ride-9"))
    bill(world.rt, short.batches[0], capacities=capacities())
    [still] = world.submit(world.order(idempotency_key="ride-9"))
    [waiting] = world.submit(world.order(idempotency_key="ride-9"))
    bill(world.rt, still.batches[0], capacities=capacities())
    top_up(world.rt, "acme", 10_000_000, "more")

    [other] = world.submit(world.order(idempotency_key="ride-9", body="Something else"))
    bill(world.rt, other.batches[0], capacities=capacities())
    [late] = world.submit(world.order(idempotency_key="ride-9"))

    assert not still.replayed
    assert (waiting.replayed, waiting.messages) == (True, still.messages)
    assert (other.replayed, other.altered) == (False, False)
    assert [each.code for each in late.refusals] == [Code.IDEMPOTENCY_CONFLICT]
    assert world.rows("SELECT count(*) FROM messages WHERE status IS DISTINCT FROM 'rejected'") == [1]
    assert not any(each.broken for each in audit(world.rt))


def test_one_idempotency_key_twice_in_one_call_makes_one_set_of_messages(world: World) -> None:
    first, second = world.submit(world.order(idempotency_key="ride-9"), world.order(idempotency_key="ride-9"))

    assert first.messages == second.messages
    assert [first.replayed, second.replayed].count(True) == 1
    assert world.rows("SELECT count(*) FROM messages") == [1]


def test_equal_idempotency_keys_of_two_accounts_do_not_conflict(world: World) -> None:
    world.run("INSERT INTO accounts (name, currency) VALUES ('other', 'NGN')")
    world.run("INSERT INTO sender_ids (account_id, sender) SELECT id, 'ACME' FROM accounts WHERE name = 'other'")

    [ours] = world.submit(world.order(idempotency_key="ride-9"))
    [theirs] = world.submit(world.order(idempotency_key="ride-9", account="other"))

    assert not theirs.replayed
    assert ours.messages != theirs.messages


def test_fifty_concurrent_orders_under_one_idempotency_key_make_one_set_of_messages(
    world: World, settings: Settings
) -> None:
    rt = Runtime(settings.model_copy(update={"pool_size": 10}))
    order = world.order("+2348012345678", "+2348012345679", idempotency_key="ride-9")

    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: ingest(rt, admit(rt, [(rt.new_ids(), order)]))[0], range(50)))

    assert len({tuple(answer.messages) for answer in answers}) == 1
    assert [answer.replayed for answer in answers].count(False) == 1
    assert world.rows("SELECT count(*) FROM messages") == [2]
    rt.close()


def test_an_order_refused_as_a_whole_is_stored_with_its_refusals(world: World) -> None:
    [answer] = world.submit(world.order(account="nobody"))

    assert answer.messages == [None]
    assert world.rows("SELECT accepted, refusals->0->>'code' FROM requests") == [(0, "account_unknown")]


def test_a_refused_order_does_not_use_its_idempotency_key(world: World) -> None:
    world.submit(world.order(sender="STRANGER", idempotency_key="ride-9"))

    [answer] = world.submit(world.order(idempotency_key="ride-9"))

    assert not answer.replayed
    assert answer.messages[0]


def make_dear(world: World, price: int = 1_000_001) -> None:
    """Let a segment to Nigeria cost so much, of the account's 1,000,000."""
    set_price(world.rt, "NG", "NGN", price, None)


def test_one_of_two_concurrent_orders_under_an_idempotency_key_is_refused_as_a_conflict(world: World) -> None:
    first = world.rt.new_ids()
    own = admit(world.rt, [(first, world.order(idempotency_key="spring/1"))])
    other = world.order(idempotency_key="spring/1", body="Something else")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    with ThreadPoolExecutor() as threads:
        with world.rt.begin() as conn:
            fresh, _ = new_requests.write_new(conn, own)  # what ingest does first: it has not ended yet
            submitted = threads.submit(world.submit, other)
            while not submitted.done() and world.rows(waiting) == [0]:
                pass
            assert not submitted.done()
        [refused] = submitted.result()

    assert fresh == {first}
    assert [each.code for each in refused.refusals] == [Code.IDEMPOTENCY_CONFLICT]
    world.run("DELETE FROM requests")  # its messages were never written
