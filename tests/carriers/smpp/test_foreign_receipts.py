"""From an order to its receipt, over an SMSC that deviates from the specification."""

import json
from collections.abc import Callable
from functools import partial
from queue import Queue
from threading import Event
from typing import Any

import pytest

from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import CommandId, MessageState, Tag
from pipeline.stages import dead_letters
from pipeline.stages.carrier_placement import keep_connected
from pipeline.stages.deliver import deliver
from pipeline.stages.resend import resend_due
from schema.vocabulary import DeadLetterSource
from tests.carriers.smpp.peer import EsmeConnection, smsc
from tests.world import World
from workers.carrier_workers.listener import handle_events

TEXT = "id:{} sub:001 dlvrd:001 submit date:2311021200 done date:2311021201 stat:{} err:000 text:"
SOURCE, DESTINATION = pdu.address("source_addr", 1, 1, "2348012345678"), pdu.address("destination_addr", 5, 0, "ACME")


class Smsc:
    """Takes what is submitted, and says of each what a test has it say."""

    def __init__(self, say: Callable[[str], list[bytes]], *ids: str) -> None:
        #: one for each submit_sm
        self._say, self._ids = say, ids or ("S213",)
        self.answers: Queue[tuple[int, int]] = Queue()
        self.said = 0
        self._may_speak = Event()

    def speak(self) -> list[tuple[int, int]]:
        """Have it say all of it; return what it is answered."""
        self._may_speak.set()
        answers = [self.answers.get(timeout=20)]
        return answers + [self.answers.get(timeout=20) for _ in range(self.said - 1)]

    def __call__(self, esme: EsmeConnection) -> None:
        esme.welcome()
        for id_ in self._ids:
            esme.say(pdu.submit_sm_resp(esme.submit()[2], id_))
        assert self._may_speak.wait(20)
        octets = self._say(self._ids[0])
        self.said = len(octets)
        esme.say(b"".join(octets))
        while True:
            command, status, sequence, _ = esme.read()
            if command in (CommandId.DELIVER_SM_RESP, CommandId.DATA_SM_RESP):
                self.answers.put((status, sequence))
            else:
                esme.answer(command, sequence)


def deliver_sm(text: bytes, esm_class: int = 4, data_coding: int = 0, tlvs: bytes = b"") -> bytes:
    body = pdu.message(SOURCE, DESTINATION, text, esm_class=esm_class, data_coding=data_coding, tlvs=tlvs)
    return pdu.deliver_sm(7, body)


def data_sm(esm_class: int, tlvs: bytes, data_coding: int = 0) -> bytes:
    return pdu.pdu(CommandId.DATA_SM, 7, b"\0" + SOURCE + DESTINATION + bytes((esm_class, 0, data_coding)) + tlvs)


def connect(world: World, port: int, **settings: Any) -> None:
    """Have the world's carrier be that SMSC, with another behind it, and one that usually reports."""
    given = {"host": "127.0.0.1", "port": port, "system_id": "acme", "password": "secret", **settings}
    world.run(
        "UPDATE carriers SET kind = 'smpp', settings = %(settings)s::jsonb, receipt_seconds = 30 WHERE name = 'alpha'",
        settings=json.dumps(given),
    )
    world.add_carrier("beta", rank=2)
    keep_connected(world.rt, "alpha", partial(handle_events, world.rt, "alpha"))


def becomes(world: World) -> list[Any]:
    """Let the time pass in which a carrier that reports would have; return how messages stand and who tried them."""
    world.run("UPDATE batches SET watch_at = now() - interval '1 second' WHERE watch_at IS NOT NULL")
    for hint in resend_due(world.rt).hints:
        deliver(world.rt, [hint.batch])
    tried = world.rows("SELECT DISTINCT carrier FROM provider_attempts ORDER BY 1")
    return [*world.rows("SELECT status FROM messages"), *tried]


READ = {
    "ASCII that is said to be UCS-2": lambda id_: deliver_sm(TEXT.format(id_, "DELIVRD").encode(), data_coding=8),
    "UCS-2 that is said to be ASCII": lambda id_: deliver_sm(TEXT.format(id_, "DELIVRD").encode("utf-16-be")),
    "UCS-2 of the other order": lambda id_: deliver_sm(TEXT.format(id_, "DELIVRD").encode("utf-16-le"), 4, 8),
    "in message_payload": lambda id_: deliver_sm(
        b"", data_coding=8, tlvs=pdu.tlv(Tag.MESSAGE_PAYLOAD, TEXT.format(id_, "DELIVRD").encode())
    ),
    "behind a header": lambda id_: deliver_sm(
        bytes.fromhex("0500030b0101") + TEXT.format(id_, "DELIVRD").encode(), esm_class=0x44, data_coding=8
    ),
    "parameters beside a text that cannot be read": lambda id_: deliver_sm(
        b"\xff\xfe\x12\x34",
        data_coding=8,
        tlvs=pdu.tlv(Tag.RECEIPTED_MESSAGE_ID, id_.encode() + b"\0")
        + pdu.tlv(Tag.MESSAGE_STATE, bytes((MessageState.DELIVERED,))),
    ),
    "data_sm": lambda id_: data_sm(4, pdu.tlv(Tag.MESSAGE_PAYLOAD, TEXT.format(id_, "DELIVRD").encode()), 8),
    "the number of its state for a word": lambda id_: deliver_sm(f"id:{id_} stat:2 err:0".encode()),
    "nothing between its fields": lambda id_: deliver_sm(TEXT.format(id_, "DELIVRD").replace(" ", "").encode()),
    "slashes between its fields": lambda id_: deliver_sm(f"id:{id_}/stat:DELIVRD/err:000/text:".encode()),
    "its state filled up": lambda id_: deliver_sm(
        f"id:{id_} stat:ENROUTE".encode(), tlvs=pdu.tlv(Tag.MESSAGE_STATE, bytes((MessageState.DELIVERED, 0)))
    ),
    "an acknowledgement of the handset": lambda id_: deliver_sm(TEXT.format(id_, "DELIVRD").encode(), esm_class=8),
}


@pytest.mark.parametrize("say", READ.values(), ids=READ)
def test_a_receipt_in_a_deviating_but_readable_format_settles_its_message(
    world: World, say: Callable[[str], bytes]
) -> None:
    far = Smsc(lambda id_: [say(id_)])
    with smsc(far) as port:
        connect(world, port)
        world.send()
        answers = far.speak()
        stands = becomes(world)
        world.rt.close()

    assert answers == [(0, 7)]
    assert stands == ["delivered", "alpha"]


def in_header(text: bytes, part: int) -> bytes:
    body = pdu.message(SOURCE, DESTINATION, b"\5\0\3\1\2%c" % part + text, esm_class=0x44, data_coding=8)
    return pdu.deliver_sm(part, body)


def in_parameters(text: bytes, part: int, ref: int = 9) -> bytes:
    tlvs = (
        pdu.tlv(Tag.SAR_MSG_REF_NUM, ref.to_bytes(2, "big"))
        + pdu.tlv(Tag.SAR_TOTAL_SEGMENTS, b"\2")
        + pdu.tlv(Tag.SAR_SEGMENT_SEQNUM, bytes((part,)))
    )
    return pdu.deliver_sm(part, pdu.message(SOURCE, DESTINATION, text, esm_class=4, tlvs=tlvs))


WHOLE = TEXT.format("S213", "DELIVRD")
#: as it is cut in two: between id and state, within a character, within a word
PIECES: dict[str, list[bytes]] = {
    "UCS-2, with headers": [
        in_header(WHOLE.encode("utf-16-be")[:133], 1),
        in_header(WHOLE.encode("utf-16-be")[133:], 2),
    ],
    "ASCII, with parameters": [in_parameters(WHOLE[:81].encode(), 1), in_parameters(WHOLE[81:].encode(), 2)],
    "within the id": [in_parameters(WHOLE[:5].encode(), 1), in_parameters(WHOLE[5:].encode(), 2)],
    "behind all that it says": [in_parameters(WHOLE.encode() + b"Hello", 1), in_parameters(b" world", 2)],
}


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "the last first"])
@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
def test_a_concatenated_receipt_settles_its_message_in_any_order_of_its_parts(
    world: World, pieces: list[bytes], order: int
) -> None:
    far = Smsc(lambda _: pieces[::order])
    with smsc(far) as port:
        connect(world, port)
        world.send()
        answers = far.speak()
        stands = becomes(world)
        world.rt.close()

    assert {status for status, _ in answers} == {0}
    assert stands == ["delivered", "alpha"]


def test_receipts_with_the_sar_tlvs_of_their_message_part_are_not_concatenated(world: World) -> None:
    far = Smsc(
        lambda id_: [in_parameters(TEXT.format(each, "DELIVRD").encode(), n) for n, each in ((1, id_), (2, "S214"))]
    )
    with smsc(far) as port:
        connect(world, port)
        world.send()
        far.speak()
        refs = world.rows("SELECT carrier_ref FROM receipts ORDER BY 1")
        world.rt.close()

    assert refs == ["S213", "S214"]


@pytest.mark.parametrize(("word", "status"), [("20", "delivered"), ("30", "failed"), ("2", "failed"), ("40", "sent")])
def test_receipt_states_sets_what_numeric_states_of_receipts_mean(world: World, word: str, status: str) -> None:
    far = Smsc(lambda id_: [deliver_sm(f"id:{id_} stat:{word} err:000".encode())])
    with smsc(far) as port:
        connect(world, port, receipt_states={"20": "delivered", "30": "failed", "2": "failed"})
        world.send()
        far.speak()
        stands = world.rows("SELECT status FROM messages")
        world.rt.close()

    assert stands == [status]


UNREADABLE = {
    "no id": deliver_sm(b"stat:DELIVRD err:000"),
    "no text": deliver_sm(b""),
    "octets": deliver_sm(bytes(range(100, 250))),
    "cut short": pdu.deliver_sm(7, b"\0\1\1234801"),
    "data_sm": data_sm(4, b""),
}


@pytest.mark.parametrize("said", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_receipt_becomes_a_dead_letter_and_prevents_a_resend(world: World, said: bytes) -> None:
    far = Smsc(lambda _: [said])
    with smsc(far) as port:
        connect(world, port)
        world.send()
        answers = far.speak()
        stands = becomes(world)
        [letter] = dead_letters.listed(world.rt, DeadLetterSource.SMPP, 10)
        kept = dead_letters.shown(world.rt, DeadLetterSource.SMPP, letter["id"])
        world.rt.close()

    assert answers == [(0, 7)]
    assert stands == ["sent", "alpha"]
    assert letter["origin"] == "alpha"
    assert kept is not None
    assert kept["payload"] in (said, None)


def test_a_message_without_any_receipt_from_its_carrier_is_resent_by_another_carrier(world: World) -> None:
    far = Smsc(lambda _: [pdu.pdu(CommandId.ALERT_NOTIFICATION, 5), deliver_sm(b"hello", esm_class=0)])
    with smsc(far) as port:
        connect(world, port)
        world.send()
        far.said = 1
        far._may_speak.set()
        far.answers.get(timeout=20)
        stands = becomes(world)
        world.rt.close()

    assert stands == ["sent", "alpha", "beta"]


@pytest.mark.parametrize(
    ("by_text", "id_", "stands", "inbound", "counts"),
    [
        (True, "S213", ["delivered", "alpha"], 0, []),
        # it is not read, but its carrier is not silent: it was told
        (False, "S213", ["sent", "alpha"], 1, [("receipt_as_text", 1)]),
        # a handset knows no reference
        (False, "S999", ["sent", "alpha", "beta"], 1, []),
    ],
)
def test_a_receipt_without_its_esm_class_settles_its_message_only_with_receipts_by_text(
    world: World, by_text: bool, id_: str, stands: list[str], inbound: int, counts: list[tuple[str, int]]
) -> None:
    far = Smsc(lambda _: [deliver_sm(TEXT.format(id_, "DELIVRD").encode(), esm_class=0)])
    with smsc(far) as port:
        connect(world, port, receipts_by_text=by_text)
        world.send()
        answers = far.speak()
        found = becomes(world)
        world.rt.close()

    assert answers == [(0, 7)]
    assert (found, world.rows("SELECT count(*) FROM inbound_messages")) == (stands, [inbound])
    assert [(row["reason"], row["letters"]) for row in dead_letters.counts(world.rt)] == counts


def test_a_deliver_sm_with_an_overlong_address_becomes_a_dead_letter_and_others_are_processed(world: World) -> None:
    endless = pdu.deliver_sm(8, pdu.message(b"\5\0" + b"1" * 30_000 + b"\0", DESTINATION, b"hello"))

    far = Smsc(lambda id_: [endless, deliver_sm(TEXT.format(id_, "DELIVRD").encode()), endless])
    with smsc(far) as port:
        connect(world, port)
        world.send()
        answers = far.speak()
        stands = becomes(world)
        counts = [(row["reason"], row["letters"]) for row in dead_letters.counts(world.rt)]
        world.rt.close()

    assert sorted(answers) == [(0, 7), (0, 8), (0, 8)]
    assert stands == ["delivered", "alpha"]
    assert counts == [("address_too_long", 2)]
