"""The text of a message with a code is replaced with asterisks once it will not be sent any more, however it ends."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipeline.stages.cancel import cancel
from pipeline.stages.deliver import deliver
from pipeline.stages.resend import resend_due
from pipeline.stages.settle import settle_on_arrival
from pipeline.stages.sweep import sweep
from pipeline.store import batch_claims
from schema.carriage import Receipt
from schema.order import Order
from schema.vocabulary import ReceiptVerdict
from tests.world import World, message_ids

TEXT = "Your code is 9081726"
BLOTTED = "*" * len(TEXT)


def order(world: World, **fields: Any) -> Order:
    return world.order(body=TEXT, message_class=fields.pop("kind", "otp"), **fields)


def bodies(world: World) -> list[str]:
    return list(world.rows("SELECT body FROM messages ORDER BY id"))


def send(world: World, kind: str = "otp") -> None:
    world.deliver_all(world.pay(world.submit(order(world, kind=kind))))


def refused(world: World, kind: str) -> str:
    world.add_carrier("alpha", {"refuse:21": 1})
    send(world, kind)
    return "failed"


def delivered(world: World, kind: str) -> str:
    send(world, kind)
    report(world, ReceiptVerdict.DELIVERED)
    return "delivered"


def undelivered(world: World, kind: str) -> str:
    send(world, kind)
    report(world, ReceiptVerdict.FAILED)
    return "failed"


def never_received(world: World, kind: str) -> str:
    send(world, kind)
    let_time_pass(world)
    return "sent"


def in_doubt(world: World, kind: str) -> str:
    world.add_carrier("alpha", {"silent": 1})
    send(world, kind)
    let_time_pass(world)
    return "sent"


def report(world: World, verdict: ReceiptVerdict) -> None:
    [(ref, carrier_ref)] = world.rows("SELECT message_id, carrier_ref FROM provider_attempts")
    settle_on_arrival(world.rt, [Receipt("alpha", "1", verdict, carrier_ref, ref, None, None, "")])


def let_time_pass(world: World) -> None:
    """The message is worth nothing any more."""
    world.run("UPDATE batches SET valid_until = now() - interval '1 second', watch_at = now() - interval '1 second'")
    for _ in range(2):
        resend_due(world.rt)


def too_late(world: World, kind: str) -> str:
    hints = world.pay(world.submit(order(world, kind=kind)))
    world.run("UPDATE batches SET valid_until = now() - interval '1 second'")
    world.deliver_all(hints)
    return "failed"


def unpaid(world: World, kind: str) -> str:
    world.run("UPDATE wallets SET balance = 0")
    send(world, kind)
    return "rejected"


def taken_back(world: World, kind: str) -> str:
    later = world.rt.now() + timedelta(hours=1)
    [answer] = answers = world.submit(order(world, kind=kind, send_at=later))
    world.pay(answers)
    cancel(world.rt, world.account, message_ids(answer))
    return "cancelled"


def lost(world: World, kind: str) -> str:
    [hint] = world.pay(world.submit(order(world, kind=kind)))
    [id_] = world.rows("SELECT id FROM messages")
    with world.rt.begin() as conn:
        [claim] = batch_claims.claim(conn, [hint.batch], 60)
        batch_claims.advance(conn, [batch_claims.PortionMark(hint.batch, claim.fence, None, id_)], 60)
    world.run("UPDATE batches SET lease_until = now() - interval '1 second'")
    sweep(world.rt)
    with world.rt.begin() as conn:
        claims = batch_claims.claim(conn, [hint.batch], 60)
        batch_claims.finish(conn, [claim.span.batch for claim in claims])
    let_time_pass(world)
    return "sent"


def poisonous(world: World, kind: str) -> str:
    world.submit(order(world, kind=kind))
    world.run("UPDATE batches SET claims = %(claims)s", claims=world.rt.settings.poison_claims)
    sweep(world.rt)
    return "rejected"


ENDS: list[Callable[[Any, str], str]] = [
    refused,
    delivered,
    undelivered,
    never_received,
    in_doubt,
    too_late,
    unpaid,
    taken_back,
    lost,
    poisonous,
]


@pytest.mark.parametrize("end", ENDS)
def test_the_text_of_a_code_is_redacted_however_its_message_ends(world: World, end: Callable[[Any, str], str]) -> None:
    status = end(world, "otp")

    assert world.rows("SELECT status FROM messages") == [status]
    assert bodies(world) == [BLOTTED]


@pytest.mark.parametrize("kind", ["transactional", "bulk"])
@pytest.mark.parametrize("end", ENDS)
def test_texts_of_other_message_classes_are_kept(world: World, end: Callable[[Any, str], str], kind: str) -> None:
    end(world, kind)

    assert bodies(world) == [TEXT]


def test_the_text_of_a_code_is_kept_while_it_may_still_be_sent(world: World) -> None:
    world.add_carrier("alpha", {"refuse_transient": 1})
    world.add_carrier("beta", {}, rank=2)
    [hint] = world.pay(world.submit(order(world)))

    next_carrier = deliver(world.rt, [hint.batch])

    assert bodies(world) == [TEXT]
    world.deliver_all(next_carrier)
    assert bodies(world) == [TEXT]  # its carrier may yet lose it
    [taken] = world.rows("SELECT carrier_ref FROM provider_attempts WHERE carrier = 'beta'")
    settle_on_arrival(world.rt, [Receipt("beta", "1", ReceiptVerdict.DELIVERED, taken, None, None, None, "")])
    assert bodies(world) == [BLOTTED]
