"""deliver_sm and data_sm: handling, storing, and when the response is sent."""

import threading
import time
from collections.abc import Callable

import pytest

from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import CommandId, CommandStatus, Tag
from pipeline.carriers.smpp.deliver_sm_handler import MOST
from pipeline.errors import DatabaseFault
from schema.carriage import CarrierEvents
from schema.vocabulary import DeadLetterSource, Outcome, ReceiptVerdict
from tests.carriers.conformance import parcel
from tests.carriers.smpp.peer import Clients, EsmeConnection, smsc

RECEIPT = "id:{} sub:001 dlvrd:001 submit date:2611220434 done date:2611220435 stat:DELIVRD err:000 text:hello"


def receipt(sequence: int, message_id: str) -> bytes:
    """Return a deliver_sm that is a receipt."""
    text = RECEIPT.format(message_id).encode()
    source, destination = (
        pdu.address("source_addr", 1, 1, "491701234567"),
        pdu.address("destination_addr", 5, 0, "ACME"),
    )
    return pdu.deliver_sm(sequence, pdu.message(source, destination, text, esm_class=4))


def word(sequence: int, text: bytes = b"STOP") -> bytes:
    """Return a deliver_sm that a handset wrote."""
    source = pdu.address("source_addr", 1, 1, "491701234567")
    return pdu.deliver_sm(sequence, pdu.message(source, pdu.address("destination_addr", 3, 0, "8080"), text))


class Listener:
    """Keeps what it hears, unless told not to."""

    def __init__(self) -> None:
        self.events: list[CarrierEvents] = []
        self.threads: set[str] = set()
        self.fails = 0
        self.waits = threading.Event()
        self.waits.set()

    def __call__(self, events: CarrierEvents) -> None:
        self.waits.wait(5)
        self.threads.add(threading.current_thread().name)
        if self.fails:
            self.fails -= 1
            raise DatabaseFault("away")
        self.events.append(events)

    @property
    def ids(self) -> list[str | None]:
        return [each.carrier_ref for events in self.events for each in events.receipts]


def until(fact: Callable[[], object], seconds: float = 20) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.005)


def saying(octets: bytes, answers: list[tuple[int, int, int]], replies: int = 1) -> Callable[[EsmeConnection], None]:
    """Return an SMSC that says this once and notes what it is answered."""

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        esme.say(octets)
        answers.extend(esme.read()[:3] for _ in range(replies))
        esme.serve()

    return behaviour


def test_a_receipt_and_an_mo_message_are_passed_to_the_listener_and_answered(client: Clients) -> None:
    listener = Listener()
    answers: list[tuple[int, int, int]] = []

    with smsc(saying(receipt(11, "m1") + word(12), answers, 2)) as port:
        client(port).listen(listener)
        until(lambda: len(answers) == 2)
        client.close()

    [events] = listener.events
    assert [(each.carrier, each.carrier_ref, each.verdict) for each in events.receipts] == [
        ("alpha", "m1", ReceiptVerdict.DELIVERED)
    ]
    assert [(each.carrier, each.phone, each.sender, each.body) for each in events.inbound] == [
        ("alpha", "+491701234567", "8080", "STOP")
    ]
    assert answers == [(CommandId.DELIVER_SM_RESP, 0, 11), (CommandId.DELIVER_SM_RESP, 0, 12)]


def test_deliver_sm_resp_is_sent_only_after_the_listener_has_returned(client: Clients) -> None:
    listener = Listener()
    answers: list[tuple[int, int, int]] = []
    listener.waits.clear()

    with smsc(saying(receipt(11, "m1"), answers)) as port:
        carrier = client(port)
        carrier.listen(listener)
        until(lambda: carrier.binds()["bound"] == 1)
        attempts = carrier.send([])
        time.sleep(0.2)
        before = list(answers)
        listener.waits.set()
        until(lambda: answers)
        client.close()

    assert (attempts, before) == ([], [])
    assert listener.threads == {"smpp-alpha-ear_0"}


def test_a_blocked_listener_does_not_delay_submit_sm(client: Clients) -> None:
    listener = Listener()
    listener.waits.clear()

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        esme.say(receipt(11, "m1"))
        while True:
            command, _, sequence, _ = esme.read()
            if command == CommandId.SUBMIT_SM:
                esme.say(pdu.submit_sm_resp(sequence, "m"))
            else:
                esme.answer(command, sequence)

    with smsc(behaviour) as port:
        carrier = client(port)
        carrier.listen(listener)
        attempts = carrier.send([parcel() for _ in range(200)])
        listener.waits.set()
        client.close()

    assert {attempt.outcome for attempt in attempts} == {Outcome.ACCEPTED}


def test_a_failing_listener_is_answered_with_a_temporary_error_and_the_smsc_delivers_again(client: Clients) -> None:
    listener = Listener()
    answers: list[tuple[int, int, int]] = []
    listener.fails = 1

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        for sequence in (11, 12):
            esme.say(receipt(sequence, "m1"))
            answers.append(esme.read()[:3])
        esme.serve()

    with smsc(behaviour) as port:
        client(port).listen(listener)
        until(lambda: len(answers) == 2)
        client.close()

    assert answers == [(CommandId.DELIVER_SM_RESP, CommandStatus.RX_T_APPN, 11), (CommandId.DELIVER_SM_RESP, 0, 12)]
    assert listener.ids == ["m1"]


def test_a_burst_of_receipts_is_passed_to_the_listener_in_limited_batches_each_receipt_once(client: Clients) -> None:
    listener = Listener()
    answers: list[tuple[int, int, int]] = []
    listener.waits.clear()
    count = 5 * MOST + 7
    octets = b"".join(receipt(sequence, f"m{sequence}") for sequence in range(1, count + 1))

    with smsc(saying(octets, answers, count)) as port:
        client(port).listen(listener)
        time.sleep(0.2)
        listener.waits.set()
        until(lambda: len(answers) == count)
        client.close()

    assert listener.ids == [f"m{sequence}" for sequence in range(1, count + 1)]
    assert max(len(events.receipts) for events in listener.events) <= MOST
    assert len(listener.events) <= 9
    assert {status for _, status, _ in answers} == {0}


def test_unreadable_pdus_become_dead_letters_and_the_others_are_processed(client: Clients) -> None:
    listener = Listener()
    answers: list[tuple[int, int, int]] = []
    addresses = pdu.address("source_addr", 1, 1, "49170") + pdu.address("destination_addr", 1, 1, "49171")
    cut, empty = pdu.deliver_sm(11, b"\0\1\1no end"), pdu.pdu(CommandId.DATA_SM, 13, b"")
    nameless = pdu.deliver_sm(14, b"\0" + addresses + b"\4\0\0\0\0\0\0\0\0\x0cstat:DELIVRD")

    with smsc(saying(cut + receipt(12, "m1") + empty + nameless, answers, 4)) as port:
        client(port).listen(listener)
        until(lambda: len(answers) == 4)
        client.close()

    assert answers == [
        (CommandId.DELIVER_SM_RESP, 0, 11),
        (CommandId.DELIVER_SM_RESP, 0, 12),
        (CommandId.DATA_SM_RESP, 0, 13),
        (CommandId.DELIVER_SM_RESP, 0, 14),
    ]
    assert listener.ids == ["m1"]
    dead = [each for events in listener.events for each in events.dead]
    assert {(each.source, each.origin) for each in dead} == {(DeadLetterSource.SMPP, "alpha")}
    assert [(each.reason, each.payload) for each in dead] == [
        ("pdu_cut_short", cut),
        ("pdu_cut_short", empty),
        ("receipt_without_id", nameless),
    ]


@pytest.mark.parametrize("sqlstate", ["22021", "23514", "54000"])
def test_a_message_that_the_database_refuses_becomes_a_dead_letter_and_the_rest_of_its_batch_is_stored(
    client: Clients, sqlstate: str
) -> None:
    listener = Listener()
    answers: list[tuple[int, int, int]] = []

    def refuse(events: CarrierEvents) -> None:
        if any(each.body == "poison" for each in events.inbound):
            raise DatabaseFault("refused", sqlstate)
        listener(events)

    said = [receipt(1, "m1"), word(2, b"poison"), *(receipt(sequence, f"m{sequence}") for sequence in range(3, 9))]
    with smsc(saying(b"".join(said), answers, len(said))) as port:
        client(port).listen(refuse)
        until(lambda: len(answers) == len(said))
        client.close()

    assert sorted(answers) == [(CommandId.DELIVER_SM_RESP, 0, sequence) for sequence in range(1, 9)]
    assert sorted(filter(None, listener.ids)) == ["m1", *(f"m{sequence}" for sequence in range(3, 9))]
    assert [(each.reason, each.payload) for events in listener.events for each in events.dead] == [
        ("not_storable", said[1])
    ]


def test_a_receipt_with_a_too_large_sm_length_is_read(client: Clients) -> None:
    listener = Listener()
    answers: list[tuple[int, int, int]] = []
    whole = receipt(11, "m1")
    cut = (len(whole) - 5).to_bytes(4, "big") + whole[4:-5]

    with smsc(saying(cut, answers)) as port:
        client(port).listen(listener)
        until(lambda: answers)
        client.close()

    assert answers == [(CommandId.DELIVER_SM_RESP, 0, 11)]
    assert listener.ids == ["m1"]


def test_suspected_receipts_are_mo_messages_with_a_diagnostic_or_with_receipts_by_text_receipts(
    client: Clients,
) -> None:
    ears = [Listener(), Listener()]
    text = RECEIPT.format("m1").encode()

    with smsc(saying(word(11, text), [])) as port:
        carriers = [client(port), client(port, receipts_by_text=True)]
        for carrier, listener in zip(carriers, ears, strict=True):
            carrier.listen(listener)
        until(lambda: all(listener.events for listener in ears))
        until(lambda: carriers[0].report().remarks)
        remarks = [carrier.report().remarks for carrier in carriers]
        client.close()

    assert [len(events.inbound) for listener in ears for events in listener.events] == [1, 0]
    assert [listener.ids for listener in ears] == [[], ["m1"]]
    assert remarks == [{"receipt_as_text": 1}, {}]


def test_a_receipt_in_a_data_sm_is_read(client: Clients) -> None:
    listener = Listener()
    answers: list[tuple[int, int, int]] = []
    tlvs = pdu.tlv(Tag.RECEIPTED_MESSAGE_ID, b"m9\0") + pdu.tlv(Tag.MESSAGE_STATE, b"\x05")
    addresses = pdu.address("source_addr", 1, 1, "49170") + pdu.address("destination_addr", 1, 1, "49171", 65)
    octets = pdu.pdu(CommandId.DATA_SM, 11, b"\0" + addresses + b"\x04\0\0" + tlvs)

    with smsc(saying(octets, answers)) as port:
        client(port).listen(listener)
        until(lambda: answers)
        client.close()

    assert answers == [(CommandId.DATA_SM_RESP, 0, 11)]
    assert [(each.carrier_ref, each.verdict) for each in listener.events[0].receipts] == [("m9", ReceiptVerdict.FAILED)]


def test_a_receipt_without_a_listener_is_answered_with_a_temporary_error(client: Clients) -> None:
    answers: list[tuple[int, int, int]] = []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        sequence = esme.submit()[2]
        esme.say(receipt(11, "m1") + pdu.submit_sm_resp(sequence, "m1"))
        answers.append(esme.read()[:3])
        esme.serve()

    with smsc(behaviour) as port:
        attempts = client(port).send([parcel()])
        until(lambda: answers)
        client.close()

    assert answers == [(CommandId.DELIVER_SM_RESP, CommandStatus.RX_T_APPN, 11)]
    assert attempts[0].outcome is Outcome.ACCEPTED


def test_a_receipt_whose_bind_broke_before_its_response_arrives_again_on_the_next_with_the_same_key(
    client: Clients,
) -> None:
    listener, guests = Listener(), []
    answers: list[tuple[int, int, int]] = []
    listener.waits.clear()

    def behaviour(esme: EsmeConnection) -> None:
        guests.append(esme)
        esme.welcome()
        esme.say(receipt(11, "m1"))
        if len(guests) > 1:
            answers.append(esme.read()[:3])
            esme.serve()

    with smsc(behaviour) as port:
        client(port).listen(listener)
        until(lambda: len(guests) == 2)
        listener.waits.set()
        until(lambda: answers)
        client.close()

    assert listener.ids == ["m1", "m1"]
    assert len({each.key for events in listener.events for each in events.receipts}) == 1


def test_message_ids_of_submit_sm_resp_and_receipt_are_normalised_to_the_same_value(client: Clients) -> None:
    listener = Listener()
    answers: list[tuple[int, int, int]] = []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        esme.say(pdu.submit_sm_resp(esme.submit()[2], "00BEEF"))
        esme.say(receipt(11, "0000048879"))
        answers.append(esme.read()[:3])
        esme.serve()

    with smsc(behaviour) as port:
        carrier = client(port, submit_ids="hex_to_dec", receipt_ids="zero_stripped")
        carrier.listen(listener)
        [attempt] = carrier.send([parcel()])
        until(lambda: answers)
        client.close()

    assert [attempt.carrier_ref] == listener.ids == ["48879"]


def test_closing_waits_for_the_listener_and_sends_its_deliver_sm_resp(client: Clients) -> None:
    listener = Listener()
    answers: list[tuple[int, int, int]] = []
    listener.waits.clear()

    with smsc(saying(receipt(11, "m1"), answers)) as port:
        carrier = client(port)
        carrier.listen(listener)
        until(lambda: carrier.binds()["bound"] == 1)
        time.sleep(0.1)
        closing = threading.Thread(target=carrier.close)
        closing.start()
        time.sleep(0.1)
        listener.waits.set()
        closing.join()

    assert listener.ids == ["m1"]
    assert answers == [(CommandId.DELIVER_SM_RESP, 0, 11)]
