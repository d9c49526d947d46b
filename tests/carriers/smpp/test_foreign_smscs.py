"""Our SMPP client against third-party SMSCs."""

import time
from collections.abc import Iterator

import pytest

from schema.carriage import CarrierEvents
from schema.vocabulary import Encoding, Outcome, ReceiptVerdict
from tests.carriers.conformance import parcel
from tests.carriers.smpp.foreign_smscs import ScriptedVendor, drive_smpp, node_smpp, smpp34
from tests.carriers.smpp.peer import Clients

PATIENT = {"deadline": 10, "connect_timeout": 5, "bind_timeout": 5}


@pytest.fixture(params=[node_smpp, smpp34])
def scripted_vendor(request: pytest.FixtureRequest) -> Iterator[ScriptedVendor]:
    with request.param() as scripted_vendor:
        yield scripted_vendor


def test_a_third_party_smsc_receives_messages_and_its_receipts_are_read(
    client: Clients, scripted_vendor: ScriptedVendor
) -> None:
    events: list[CarrierEvents] = []
    carrier = client(scripted_vendor.port, **PATIENT)
    carrier.listen(events.append)
    parcels = [
        parcel("Your code is 4711", encoding=Encoding.GSM7),
        parcel("Ваш код 4711", sender="+49170555"),
        parcel("👩‍👧 done 🎉", to="+12025550123", sender="8080"),
    ]

    bodies = [each.body for each in parcels]

    attempts = carrier.send(parcels)

    # smpp34 tells them in any order
    messages = sorted(scripted_vendor.messages(3), key=lambda message: bodies.index(message["text"]))
    answers = scripted_vendor.events(3)
    carrier.close()
    ids = [message["id"] for message in messages]
    receipts = [receipt for each in events for receipt in each.receipts]
    assert [(attempt.outcome, attempt.carrier_ref) for attempt in attempts] == [(Outcome.ACCEPTED, id_) for id_ in ids]
    assert [message["coding"] for message in messages] == [0, 8, 8]
    assert [message["to"] for message in messages] == ["491701234567", "491701234567", "12025550123"]
    assert [message["sender"] for message in messages] == ["ACME", "49170555", "8080"]
    assert [message["sender_ton"] for message in messages] == [5, 1, 3]
    assert [message["reference"] for message in messages] == [each.ref.int & 0xFFFF for each in parcels]
    assert answers == dict.fromkeys(ids, 0)
    assert sorted((receipt.carrier_ref, receipt.verdict) for receipt in receipts) == [
        (id_, ReceiptVerdict.DELIVERED) for id_ in sorted(ids)
    ]


@pytest.mark.parametrize(
    ("form", "body"),
    [(form, body) for form in ("udh8", "udh16", "sar", "payload") for body in ("latin " * 60, "буквы " * 30)],
    ids=lambda value: value if len(value) < 9 else "gsm7" if value.isascii() else "ucs2",
)
def test_a_third_party_smsc_receives_a_long_message_whole_in_each_form_of_concatenation(
    client: Clients, scripted_vendor: ScriptedVendor, form: str, body: str
) -> None:
    events: list[CarrierEvents] = []
    encoding = Encoding.GSM7 if body.isascii() else Encoding.UCS2
    given = parcel(body, encoding=encoding, segments=3)
    carrier = client(scripted_vendor.port, **PATIENT, long=form, mode="separate")
    carrier.listen(events.append)
    while carrier.binds()["bound"] < 2:
        time.sleep(0.01)

    [attempt] = carrier.send([given])

    count = 1 if form == "payload" else 3
    messages = sorted(scripted_vendor.messages(count), key=lambda message: (message["header"], message["sar"]))
    carrier.close()
    ids = [message["id"] for message in messages]
    assert (attempt.outcome, attempt.carrier_ref) == (Outcome.ACCEPTED, ids[0])
    assert attempt.parts == (tuple(ids) if count > 1 else ())
    assert "".join(message["text"] for message in messages) == body
    reference = given.ref.int & 0xFFFF
    numbers = range(1, count + 1)
    if form == "sar":
        assert [message["sar"] for message in messages] == [[reference, 3, number] for number in numbers]
    elif form == "udh8":
        assert [message["header"] for message in messages] == [f"0003{reference & 255:02x}03{n:02x}" for n in numbers]
    elif form == "udh16":
        assert [message["header"] for message in messages] == [f"0804{reference:04x}03{n:02x}" for n in numbers]


def test_a_thousand_messages_are_accepted_and_each_has_its_receipt(
    client: Clients, scripted_vendor: ScriptedVendor
) -> None:
    events: list[CarrierEvents] = []
    carrier = client(scripted_vendor.port, **PATIENT, binds=2)
    carrier.listen(events.append)

    attempts = [attempt for _ in range(5) for attempt in carrier.send([parcel() for _ in range(200)])]

    answers = scripted_vendor.events(1000)
    carrier.close()
    ids = {attempt.carrier_ref for attempt in attempts}
    assert {attempt.outcome for attempt in attempts} == {Outcome.ACCEPTED}
    assert len(ids) == 1000
    assert {receipt.carrier_ref for each in events for receipt in each.receipts} == ids
    assert answers == dict.fromkeys(ids, 0)


def test_a_wrong_password_is_refused_by_node_smpp_and_nothing_is_written(client: Clients) -> None:
    with node_smpp() as scripted_vendor:
        [attempt] = client(scripted_vendor.port, **PATIENT, password="wrong").send([parcel()])
        client.close()

    assert (attempt.outcome, attempt.code) == (Outcome.NOT_WRITTEN, "ESME_RINVPASWD")


def test_closing_a_carrier_sends_unbind_to_node_smpp(client: Clients) -> None:
    with node_smpp() as scripted_vendor:
        carrier = client(scripted_vendor.port, **PATIENT)
        carrier.send([parcel()])
        carrier.close()

    assert {"unbind": True} in scripted_vendor.reported


def test_kannel_s_drive_smpp_delivers_its_deliver_sms_and_accepts_our_messages(client: Clients) -> None:
    events: list[CarrierEvents] = []

    def count() -> int:
        return sum(len(each.inbound) + len(each.receipts) for each in events)

    with drive_smpp(200) as port:
        carrier = client(port, **PATIENT, mode="separate")
        carrier.listen(events.append)
        end = time.monotonic() + 20
        while (count() < 200 or carrier.binds()["bound"] < 2) and time.monotonic() < end:
            time.sleep(0.02)
        attempts = carrier.send([parcel("hello", encoding=Encoding.GSM7) for _ in range(100)])
        client.close()

    assert count() == 200
    assert {attempt.outcome for attempt in attempts} == {Outcome.ACCEPTED}
