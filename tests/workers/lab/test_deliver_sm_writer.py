import time
import urllib.error
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pipeline.carriers.simulated_smsc import SPELLING, MessageIdFormat
from pipeline.carriers.smpp import pdu, smpp_options, text_encoding
from pipeline.carriers.smpp.codes import CommandId, CommandStatus, MessageState, Tag
from pipeline.carriers.smpp.message_ids import normal
from pipeline.carriers.smpp.smpp_carrier import SmppCarrier
from pipeline.rules.text import gsm7
from schema.carriage import CarrierEvents
from schema.vocabulary import Encoding, ReceiptVerdict
from tests.carriers.conformance import parcel
from tests.carriers.simulator import ask, both, read_log
from tests.workers.lab.esme import body, esme, receipted
from workers.lab.simulator.scripts import smpp_settings

NOW = {"receipts": {"delay": 0}}


@pytest.mark.parametrize(
    ("smpp", "spelt", "reported"),
    [
        ({}, "{:x}", "{:x}"),
        ({"ids": "hex_upper", "receipt_ids": "decimal"}, "{:X}", "{:d}"),
        ({"ids": "decimal", "receipt_ids": "padded"}, "{:d}", "{:024d}"),
        ({"ids": "padded"}, "{:024d}", "{:024d}"),
    ],
)
def test_message_ids_are_formatted_as_the_script_says(smpp: dict[str, Any], spelt: str, reported: str) -> None:
    with both(alpha={**NOW, "smpp": smpp}) as (_, port), esme(port) as one:
        [(_, _, message_id)] = one.submit(body())
        [letter] = one.letters()

    number = int(message_id, 16 if "x" in spelt.lower() else 10)
    assert (message_id, receipted(letter)) == (spelt.format(number), reported.format(number))
    assert letter.text.startswith(f"id:{receipted(letter)} ".encode())


def test_receipts_have_text_or_tlvs_as_the_script_says() -> None:
    with both(alpha={**NOW, "smpp": {"receipts": "text"}}, beta={**NOW, "smpp": {"receipts": "tlv"}}) as (_, port):
        with esme(port) as one:
            one.submit(body())
            [words] = one.letters()
        with esme(port, "beta") as one:
            one.submit(body())
            [parameters] = one.letters()

    assert words.text
    assert not words.tlvs
    assert not parameters.text
    assert set(parameters.tlvs) == {Tag.RECEIPTED_MESSAGE_ID, Tag.MESSAGE_STATE}


def test_references_of_a_submit_sm_are_returned_in_its_receipt() -> None:
    with both(alpha={**NOW, "smpp": {"echo": True}}) as (_, port), esme(port) as one:
        one.submit(body(ref="r", tlvs=pdu.tlv(Tag.USER_MESSAGE_REFERENCE, b"\x01\x02")))
        [letter] = one.letters()

    assert letter.tlvs[Tag.USER_MESSAGE_REFERENCE] == b"\x01\x02"
    assert letter.tlvs[0x1500] == b"r"


@pytest.mark.parametrize(
    ("action", "state", "words"),
    [
        ("failed:5", MessageState.UNDELIVERABLE, b"stat:UNDELIV err:005"),
        ("failed:absent", MessageState.UNDELIVERABLE, b"stat:UNDELIV err:027"),
        ("failed:expired", MessageState.EXPIRED, b"stat:EXPIRED err:001"),
        ("failed:rejected", MessageState.REJECTED, b"stat:REJECTD err:001"),
    ],
)
def test_a_failed_receipt_has_the_scripted_state_and_error_code(action: str, state: MessageState, words: bytes) -> None:
    with both(alpha={"receipts": {action: 1, "delay": 0}}) as (_, port), esme(port) as one:
        one.submit(body())
        [letter] = one.letters()

    assert letter.tlvs[Tag.MESSAGE_STATE] == bytes((state,))
    assert words in letter.text
    assert int(words[-3:]) == int.from_bytes(letter.tlvs[Tag.NETWORK_ERROR_CODE][1:], "big")


def test_receipts_are_duplicated_reordered_or_omitted_as_the_script_says() -> None:
    courses = {"1": "duplicate:3", "2": "out_of_order", "3": "never", "4": "stranger"}

    with both(alpha={"receipts": {"numbers": courses, "delay": 0}}) as (_, port), esme(port) as one:
        ids = {n: one.submit(body(to=f"49170123456{n}"))[0][2] for n in courses}
        letters = one.letters(99, seconds=0.8)

    states = [(receipted(letter), letter.tlvs[Tag.MESSAGE_STATE][0]) for letter in letters]
    by_id = {n: [state for id_, state in states if id_ == ids[n]] for n in courses}
    assert by_id == {"1": [2, 2, 2], "2": [2, 1], "3": [], "4": [2]}
    assert [state for id_, state in states if id_ not in ids.values()] == [2]


@pytest.mark.parametrize(("asked", "expected"), [(0, 0), (1, 2), (2, 1)])
def test_registered_delivery_decides_which_receipts_are_sent(asked: int, expected: int) -> None:
    with both(alpha={"receipts": {"numbers": {"1": "failed:5"}, "delay": 0}}) as (_, port), esme(port) as one:
        one.submit(*[body(to=f"49170123456{n}", registered_delivery=asked) for n in (1, 2)])

        assert len(one.letters(2, seconds=0.3)) == expected


def test_a_receipt_can_come_before_the_submit_sm_resp() -> None:
    with both(alpha={**NOW, "latency_ms": 300}) as (_, port), esme(port) as one:
        one.say(pdu.submit_sm(one.next(), body()))

        assert [frame[0] for frame in one.receive(2)] == [CommandId.DELIVER_SM, CommandId.SUBMIT_SM_RESP]


def test_a_receipt_is_sent_again_until_it_is_acknowledged() -> None:
    with both(alpha={**NOW, "smpp": {"patience": 0.2}}) as (url, port):
        with esme(port) as one:
            [(_, _, message_id)] = one.submit(body())
            refused = one.letters(1, status=CommandStatus.RX_T_APPN)
            unanswered = one.receive(1)
            again = one.receive(1)
        with esme(port, command=CommandId.BIND_RECEIVER) as other:
            taken = other.letters(1)
            nothing = other.receive(seconds=0.5)
        stats = ask(f"{url}/alpha/stats")["smpp"]

    assert [receipted(letter) for letter in (*refused, *taken)] == [message_id] * 2
    assert [len(unanswered), len(again), len(nothing)] == [1, 1, 0]
    assert (stats["waiting"], stats["taken"]) == (0, 1)
    assert stats["again"] >= 3


def test_receipts_wait_for_a_receiver_and_are_limited_by_the_window() -> None:
    with both(alpha={**NOW, "smpp": {"window": 10}}) as (url, port):
        with esme(port, command=CommandId.BIND_TRANSMITTER) as sender:
            sender.submit(*[body() for _ in range(30)])
        with esme(port) as one:
            assert len(one.receive(30, seconds=0.3)) == 10
        with esme(port) as one, esme(port) as other:
            here, there = one.letters(5), other.letters(5)
            rest = [len(each.letters(30, seconds=0.3)) for each in (one, other)]

        assert len(here) == len(there) == 5
        assert sum(rest) + 10 == 30
        assert ask(f"{url}/alpha/stats")["smpp"]["taken"] == 30


# Queries.


def test_query_sm_returns_the_state_of_a_message() -> None:
    script = {"receipts": {"numbers": {"1": "failed:5", "2": "late:100"}, "delay": 0}}

    with both(alpha=script) as (_, port), esme(port, command=CommandId.BIND_TRANSMITTER) as one:
        failed, late = (message_id for _, _, message_id in one.submit(*[body(to=f"49170123456{n}") for n in (1, 2)]))
        _, reported = one.query(failed)
        _, waiting = one.query(late)
        status, _ = one.query("nothing")

    assert reported
    assert waiting
    assert (reported.message_id, reported.state, reported.error) == (failed, MessageState.UNDELIVERABLE, 5)
    assert reported.final_date.endswith("000+")
    assert (waiting.state, waiting.final_date) == (MessageState.ENROUTE, "")
    assert status == CommandStatus.RINVMSGID


# The carrier that fits it.


@pytest.mark.parametrize("alphabet", text_encoding.Alphabet)
def test_the_smpp_carrier_and_the_simulator_understand_each_other_in_every_alphabet(
    tmp_path: Path, alphabet: text_encoding.Alphabet
) -> None:
    script = {**NOW, "smpp": {"password": "secret", "alphabet": alphabet.value, "echo": True}}
    sent = parcel("Grüße für 5 [x]", encoding=Encoding.GSM7)
    received: list[CarrierEvents] = []

    with both(tmp_path / "log", alpha=script) as (_, port):
        carrier = SmppCarrier("alpha", smpp_settings("alpha", script, "127.0.0.1", port))
        carrier.listen(received.append)
        try:
            [attempt] = carrier.send([sent])
            until = time.monotonic() + 5
            while not received and time.monotonic() < until:
                time.sleep(0.01)
        finally:
            carrier.close()

    [line] = read_log(tmp_path / "log")
    assert (line["ref"], line["carrier_id"]) == (str(sent.ref), attempt.carrier_ref)
    assert line["body_hash"] == sha256(sent.body.encode()).hexdigest()
    [receipt] = received[0].receipts
    assert (receipt.ref, receipt.carrier_ref, receipt.verdict) == (
        sent.ref,
        attempt.carrier_ref,
        ReceiptVerdict.DELIVERED,
    )


@pytest.mark.parametrize("ids", MessageIdFormat)
@pytest.mark.parametrize("receipt_ids", MessageIdFormat)
def test_submitted_and_receipted_message_ids_match_in_every_format(
    ids: MessageIdFormat, receipt_ids: MessageIdFormat
) -> None:
    settings = smpp_settings("alpha", {"smpp": {"ids": ids.value, "receipt_ids": receipt_ids.value}}, "localhost", 1)
    references = smpp_options.read("alpha", settings).deliver_sm_options.message_ids
    number = 0x8FA3 << 24 | 7

    submitted = normal(references.submitted, f"{number:{SPELLING[ids]}}")
    receipted = normal(references.receipted, f"{number:{SPELLING[receipt_ids]}}")

    assert submitted == receipted


# Messages from handsets.


def test_an_inbound_message_is_delivered_once_a_receiver_binds() -> None:
    with both(alpha={}) as (url, port):
        by = ask(f"{url}/alpha/inbound", "POST", {"from": "+2348031234567", "to": "2345", "text": "STOP {now}"})
        with esme(port, command=CommandId.BIND_RECEIVER) as one:
            [letter] = one.letters()

    assert by == {"by": "smpp"}
    assert (letter.source, letter.source_ton, letter.destination) == ("2348031234567", 1, "2345")
    assert (gsm7.decode(letter.text), letter.esm_class, letter.data_coding) == ("STOP {now}", 0, 0)


def test_a_long_inbound_message_is_delivered_in_parts() -> None:
    with both(alpha={}) as (url, port), esme(port) as one:
        ask(f"{url}/alpha/inbound", "POST", {"from": "+2348031234567", "to": "2345", "text": "жизнь " * 30})
        letters = one.letters(3)

    assert {letter.esm_class for letter in letters} == {0x40}
    assert [letter.text[5] for letter in letters] == [1, 2, 3]
    assert b"".join(letter.text[6:] for letter in letters).decode("utf-16-be") == "жизнь " * 30


@pytest.mark.parametrize("given", [{}, {"from": "+1", "to": "2", "text": 3}, {"from": "ж", "to": "2", "text": "x"}])
def test_an_invalid_inbound_message_is_refused(given: dict[str, Any]) -> None:
    with both(alpha={}) as (url, _), pytest.raises(urllib.error.HTTPError) as refused:
        ask(f"{url}/alpha/inbound", "POST", given)

    with refused.value as answer:
        assert answer.code == 400
