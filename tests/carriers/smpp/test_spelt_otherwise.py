"""Receipts that format the message id differently from submit_sm_resp, without `receipt_ids` set."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import MessageState, Tag
from pipeline.stages.resend import resend_due
from pipeline.stages.settle import settle
from tests.carriers.smpp.peer import smsc
from tests.carriers.smpp.test_foreign_receipts import TEXT, Smsc, becomes, connect, deliver_sm
from tests.world import World

#: in the answer, in the receipt
SPELT = {
    "decimal": ("38601fa", "59113978"),
    "decimal, filled up": ("038601FA", "0059113978"),
    "hexadecimal": ("59113978", "38601fa"),
    "hexadecimal, filled up": ("59113978", "038601FA"),
    "hexadecimal, small": ("6699", "1A2B"),
    "decimal of digits alone": ("16777216", "1000000"),
    "capital letters": ("bb42dd", "BB42DD"),
    "small letters": ("SMS-1B", "sms-1b"),
    "an id of 128 bits": ("7F0C1E2A-93B4-4C5D-8E6F-A0B1C2D3E4F5", "7f0c1e2a-93b4-4c5d-8e6f-a0b1c2d3e4f5"),
    "filled up": ("7", "0000000007"),
    "not filled up": ("0007", "7"),
    "marked as hexadecimal": ("beef01", "0xBEEF01"),
}


def wait(world: World) -> list[str]:
    """Let half a minute and more pass; return how messages stand once receipts were looked at again."""
    for table, column in (("provider_attempts", "marked_at"), ("receipts", "received_at"), ("receipts", "due_at")):
        world.run(f"UPDATE {table} SET {column} = {column} - interval '40 seconds'")
    for _ in range(2):
        settle(world.rt)
        resend_due(world.rt)
    return [str(status) for status in world.rows("SELECT status FROM messages")]


@contextmanager
def spoken(world: World, ids: Sequence[str], *said: bytes, **settings: Any) -> Iterator[None]:
    """Have an SMSC take a message under these ids, one for each part, and say of it what is given."""
    far = Smsc(lambda _: list(said), *ids)
    with smsc(far) as port:
        connect(world, port, **settings)
        world.send(body="x" * (1 if len(ids) == 1 else 160 * len(ids) - 20))
        far.speak()
        yield
        world.rt.close()


def receipt(id_: str, state: str = "DELIVRD", esm_class: int = 4) -> bytes:
    return deliver_sm(TEXT.format(id_, state).encode(), esm_class)


@pytest.mark.parametrize(("answered", "receipted"), SPELT.values(), ids=SPELT)
def test_a_receipt_with_a_differently_formatted_id_settles_its_message_and_prevents_a_resend(
    world: World, answered: str, receipted: str
) -> None:
    with spoken(world, [answered], receipt(receipted)):
        stands, later = becomes(world), wait(world)

    assert (stands, later) == (["sent", "alpha"], ["delivered"])


def test_a_receipt_with_a_differently_formatted_id_in_tlvs_settles_its_message_too(world: World) -> None:
    state = pdu.tlv(Tag.MESSAGE_STATE, bytes((MessageState.UNDELIVERABLE,)))
    tlvs = pdu.tlv(Tag.RECEIPTED_MESSAGE_ID, b"0059113978\0") + state
    with spoken(world, ["38601fa"], deliver_sm(b"", tlvs=tlvs)):
        stands, later = becomes(world), wait(world)

    assert (stands, later) == (["sent", "alpha"], ["failed"])


def test_receipts_with_differently_formatted_ids_for_all_parts_settle_a_long_message(world: World) -> None:
    with spoken(world, ["38601fa", "38601fb"], receipt("59113978"), receipt("59113979")):
        stands, later = becomes(world), wait(world)

    assert (stands, later) == (["sent", "alpha"], ["delivered"])


def test_a_later_state_under_a_differently_formatted_id_is_applied_too(world: World) -> None:
    with spoken(world, ["38601fa"], receipt("59113978", "ENROUTE"), receipt("59113978")):
        assert wait(world) == ["delivered"]


def test_a_retryable_failure_under_a_differently_formatted_id_causes_a_resend_by_another_carrier(world: World) -> None:
    with spoken(world, ["38601fa"], receipt("59113978", "REJECTD"), retryable_codes="REJECTD"):
        wait(world)
        batches = world.rows("SELECT carrier FROM batches ORDER BY id")

    assert batches == ["alpha", "beta"]


@pytest.mark.parametrize(
    ("answered", "receipted"),
    [("38601fa", "59113979"), ("aB3x", "Ab3X"), ("10", "16"), ("S213", "S0213")],
    ids=["another", "letters of both kinds", "small numbers", "zeros within"],
)
def test_a_receipt_whose_id_may_be_another_message_s_changes_nothing(
    world: World, answered: str, receipted: str
) -> None:
    with spoken(world, [answered], receipt(receipted)):
        assert wait(world) == ["sent"]


def test_a_differently_formatted_id_is_ignored_when_the_exact_id_has_a_receipt(world: World) -> None:
    with spoken(world, ["38601fa"], receipt("38601fa", "ENROUTE"), receipt("59113978")):
        assert wait(world) == ["sent"]


def test_a_suspected_receipt_with_a_differently_formatted_id_prevents_a_resend(world: World) -> None:
    with spoken(world, ["38601fa"], receipt("59113978", esm_class=0)):
        assert becomes(world) == ["sent", "alpha"]


def test_a_message_accepted_without_an_id_is_not_resent_when_a_receipt_arrives(world: World) -> None:
    with spoken(world, [""], receipt("S213")):
        assert becomes(world) == ["sent", "alpha"]
