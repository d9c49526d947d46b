import shutil
import socket
import ssl
import subprocess
import time
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pipeline.carriers.simulator_script import ACCEPTED, ScriptedOutcome
from pipeline.carriers.smpp import pdu, text_encoding
from pipeline.carriers.smpp.codes import CommandId, CommandStatus, MessageState, Tag
from pipeline.carriers.smpp.framer import ProtocolFault
from pipeline.errors import ConfigurationError
from schema.vocabulary import Encoding
from tests.carriers.conformance import parcel
from tests.carriers.simulator import ask, both, read_log
from tests.workers.lab.esme import Esme, body, esme, receipted
from workers.lab.simulator.simulator_server import certified, main

NOW = {"receipts": {"delay": 0}}
NEVER = {"receipts": {"never": 1}}
LONG = "Grüße für 5 €: [x] " * 20


def test_an_accepted_message_gets_a_receipt_and_is_logged(tmp_path: Path) -> None:
    ref = str(uuid4())

    with both(tmp_path / "log", alpha=NOW) as (_, port), esme(port) as one:
        [(command, status, message_id)] = one.submit(body(b"hello", ref=ref))
        [letter] = one.letters()

    assert (command, status) == (CommandId.SUBMIT_SM_RESP, CommandStatus.ROK)
    assert receipted(letter) == message_id
    assert letter.tlvs[Tag.MESSAGE_STATE] == bytes((MessageState.DELIVERED,))
    assert letter.text.startswith(f"id:{message_id} sub:001 dlvrd:001 submit date:".encode())
    assert letter.text.endswith(b"stat:DELIVRD err:000 text:hello")
    assert (letter.source, letter.destination, letter.esm_class) == ("491701234567", "ACME", 4)
    [line] = read_log(tmp_path / "log")
    assert (line["ref"], line["carrier"], line["carrier_id"]) == (ref, "alpha", message_id)
    assert line["body_hash"] == sha256(b"hello").hexdigest()
    assert (line["decision"], line["taken"]) == ("accept", True)


@pytest.mark.parametrize(
    ("system_id", "password", "status"),
    [
        ("alpha", "secret", CommandStatus.ROK),
        ("alpha", "wrong", CommandStatus.RINVPASWD),
        ("nobody", "secret", CommandStatus.RINVSYSID),
        ("beta", "anything", CommandStatus.ROK),
        ("gamma", "", CommandStatus.RBINDFAIL),
    ],
)
def test_a_bind_is_checked_for_system_id_password_and_state(
    system_id: str, password: str, status: CommandStatus
) -> None:
    scripts: dict[str, dict[str, Any]] = {
        "alpha": {"smpp": {"password": "secret"}},
        "beta": {},
        "gamma": {"down": True},
    }

    with both(None, None, **scripts) as (_, port), esme(port, "") as one:
        assert one.bind(system_id, password)[0] == status


def test_each_bind_type_allows_only_its_own_pdus() -> None:
    with both(alpha=NOW) as (_, port), esme(port, "") as nobody:
        assert nobody.submit(body())[0][:2] == (CommandId.SUBMIT_SM_RESP, CommandStatus.RINVBNDSTS)
        with (
            esme(port, command=CommandId.BIND_TRANSMITTER) as sender,
            esme(port, command=CommandId.BIND_RECEIVER) as receiver,
        ):
            assert receiver.submit(body())[0][:2] == (CommandId.SUBMIT_SM_RESP, CommandStatus.RINVBNDSTS)
            assert sender.bind()[0] == CommandStatus.RALYBND
            [(_, status, message_id)] = sender.submit(body())

            assert status == CommandStatus.ROK
            assert [receipted(letter) for letter in receiver.letters()] == [message_id]
            assert sender.receive(seconds=0.1) == []


def test_the_smsc_answers_enquire_link_unknown_commands_and_unbind() -> None:
    with both(alpha={}) as (_, port), esme(port) as one:
        one.say(pdu.enquire_link(7) + pdu.pdu(CommandId.CANCEL_SM, 8) + pdu.pdu(0x0000FFFF, 9) + pdu.unbind(10))

        assert [frame[:3] for frame in one.receive(4)] == [
            (CommandId.ENQUIRE_LINK_RESP, CommandStatus.ROK, 7),
            (CommandId.CANCEL_SM_RESP, CommandStatus.RINVCMDID, 8),
            (CommandId.GENERIC_NACK, CommandStatus.RINVCMDID, 9),
            (CommandId.UNBIND_RESP, CommandStatus.ROK, 10),
        ]
        assert one.receive(seconds=2) == []
        assert one.socket.recv(1) == b""


def test_octets_that_are_no_pdu_get_a_generic_nack_and_end_the_connection() -> None:
    with both(alpha={}) as (_, port), esme(port) as one:
        one.say(b"GET / HTTP/1.1\r\n\r\n")

        assert [frame[:2] for frame in one.receive()] == [(CommandId.GENERIC_NACK, CommandStatus.RINVCMDLEN)]
        assert one.socket.recv(1) == b""


#: each fate that leaves the connection as it is: what is answered
ANSWERS: dict[str, tuple[int, int] | None] = {
    "accept": (CommandId.SUBMIT_SM_RESP, CommandStatus.ROK),
    "slow:0.05": (CommandId.SUBMIT_SM_RESP, CommandStatus.ROK),
    "refuse": (CommandId.SUBMIT_SM_RESP, CommandStatus.RX_R_APPN),
    "refuse:0x0b": (CommandId.SUBMIT_SM_RESP, CommandStatus.RINVDSTADR),
    "refuse:rinvsrcadr": (CommandId.SUBMIT_SM_RESP, CommandStatus.RINVSRCADR),
    "refuse:21": (CommandId.SUBMIT_SM_RESP, CommandStatus.RX_R_APPN),
    "refuse_transient": (CommandId.SUBMIT_SM_RESP, CommandStatus.RSYSERR),
    "refuse_transient:ESME_RSUBMITFAIL": (CommandId.SUBMIT_SM_RESP, CommandStatus.RSUBMITFAIL),
    "throttle": (CommandId.SUBMIT_SM_RESP, CommandStatus.RTHROTTLED),
    "queue_full": (CommandId.SUBMIT_SM_RESP, CommandStatus.RMSGQFUL),
    "nack": (CommandId.GENERIC_NACK, CommandStatus.RINVCMDID),
    "bad_gateway": (CommandId.GENERIC_NACK, CommandStatus.ROK),
    "gateway_timeout": (CommandId.GENERIC_NACK, CommandStatus.ROK),
    "silent": None,
}
#: those that do not
ENDS = {"reset", "drop", "garbage", "hang_up", "half_open", "trickle"}


@pytest.mark.parametrize(("word", "answer"), ANSWERS.items(), ids=ANSWERS.keys())
def test_each_scripted_outcome_gets_its_smpp_response(
    tmp_path: Path, word: str, answer: tuple[int, int] | None
) -> None:
    with both(tmp_path / "log", alpha={word: 1, "smpp": {}, **NEVER}) as (_, port), esme(port) as one:
        one.say(pdu.submit_sm(5, body(ref="r")) + pdu.enquire_link(6))
        received = one.receive(2 if answer else 1, seconds=1)

    by_sequence = {sequence: (command, status) for command, status, sequence, _ in received}
    assert by_sequence == {6: (CommandId.ENQUIRE_LINK_RESP, 0), **({5: answer} if answer else {})}
    [line] = read_log(tmp_path / "log")
    assert line["taken"] == (ScriptedOutcome(word.partition(":")[0]) in ACCEPTED)


def test_every_scripted_outcome_is_covered_by_these_tests() -> None:
    assert {word.partition(":")[0] for word in ANSWERS} | ENDS == set(ScriptedOutcome)


@pytest.mark.parametrize(("word", "taken"), [("reset", True), ("drop", False)])
def test_a_reset_ends_only_its_connection_and_the_requests_without_a_response(
    tmp_path: Path, word: str, taken: bool
) -> None:
    with both(tmp_path / "log", alpha={"numbers": {"2": word}}) as (_, port), esme(port) as one:
        one.say(b"".join(pdu.submit_sm(n, body(ref=f"r{n}", to=f"4917012345{n}")) for n in (1, 2, 3)))
        received = one.receive()

        assert [frame[:3] for frame in received] == [(CommandId.SUBMIT_SM_RESP, CommandStatus.ROK, 1)]
        with pytest.raises(ConnectionResetError):
            one.receive(9)
        with esme(port) as another:
            assert another.submit(body())[0][1] == CommandStatus.ROK
    assert [(line["ref"], line["taken"]) for line in read_log(tmp_path / "log")[:2]] == [("r1", True), ("r2", taken)]


def test_a_garbage_response_cannot_be_parsed(tmp_path: Path) -> None:
    with both(tmp_path / "log", alpha={"garbage": 1}) as (_, port), esme(port) as one, pytest.raises(ProtocolFault):
        one.submit(body())

    assert [line["taken"] for line in read_log(tmp_path / "log")] == [True]


def test_the_smsc_can_unbind_while_requests_have_no_response(tmp_path: Path) -> None:
    script = {"numbers": {"1": "silent", "2": "hang_up"}, **NEVER}

    with both(tmp_path / "log", alpha=script) as (_, port), esme(port) as one:
        one.say(b"".join(pdu.submit_sm(n, body(ref=f"r{n}", to=f"4917012345{n}")) for n in (1, 2, 3)))
        [(command, _, sequence, _)] = one.receive()
        one.say(pdu.unbind_resp(sequence))

        assert command == CommandId.UNBIND
        assert one.receive(seconds=2) == []
    assert [line["ref"] for line in read_log(tmp_path / "log")] == ["r1", "r2"]


def test_a_half_open_connection_neither_reads_nor_writes(tmp_path: Path) -> None:
    with both(tmp_path / "log", alpha={"numbers": {"1": "half_open"}}) as (_, port), esme(port) as one:
        one.say(pdu.submit_sm(1, body(ref="r1", to="491701234561")) + pdu.submit_sm(2, body()) + pdu.enquire_link(3))

        assert one.receive(seconds=0.3) == []
    assert [line["ref"] for line in read_log(tmp_path / "log")] == ["r1"]


def test_a_trickled_response_delays_those_behind_it() -> None:
    with both(alpha={"numbers": {"1": "trickle:40"}, **NEVER}) as (_, port), esme(port) as one:
        began = time.monotonic()
        one.say(pdu.submit_sm(1, body(to="491701234561")) + pdu.enquire_link(2))
        first = one.receive(1)
        took = time.monotonic() - began

        assert first[0][2] == 1
        assert 0.5 < took < 3
        assert [frame[2] for frame in one.receive(1)] == [2]


def test_the_rate_limit_counts_every_submit_sm() -> None:
    with both(alpha={"limit_tps": 10}) as (_, port), esme(port) as one:
        received = one.submit(*[body(ref=f"r{n}") for n in range(30)])

    statuses = [status for _, status, _ in received]
    assert set(statuses) == {CommandStatus.ROK, CommandStatus.RTHROTTLED}
    assert 1 <= statuses.count(CommandStatus.ROK) <= 12


def test_responses_are_delayed_by_the_latency_and_can_overtake_each_other() -> None:
    with both(alpha={"latency_ms": 100, "numbers": {"1": "slow:0.1"}, **NEVER}) as (_, port), esme(port) as one:
        began = time.monotonic()
        one.say(b"".join(pdu.submit_sm(n, body(to=f"49170123456{n}")) for n in (1, 2, 3)))
        received = one.receive(3)

        assert time.monotonic() - began > 0.19  # a loop's clock may be early by a tick
        assert [frame[2] for frame in received] == [2, 3, 1]


def test_a_carrier_that_is_down_refuses_messages_on_existing_binds() -> None:
    with both(alpha={}) as (url, port), esme(port) as one:
        ask(f"{url}/alpha/script", "PUT", {"down": True})

        assert [status for _, status, _ in one.submit(body())] == [CommandStatus.RSYSERR]


# Long messages.


def parts_of(text: str, style: text_encoding.TextOptions, encoding: Encoding) -> list[text_encoding.EncodedPart]:
    return text_encoding.parts(style, parcel(text, encoding=encoding, segments=9))


def bodies_of(parts: list[text_encoding.EncodedPart], ref: str) -> list[bytes]:
    return [
        body(part.text, ref=ref, data_coding=part.data_coding, esm_class=part.esm_class, tlvs=part.tlvs)
        for part in parts
    ]


STYLES: dict[str, tuple[text_encoding.TextOptions, str, Encoding]] = {
    **{
        f"{long} gsm7": (text_encoding.TextOptions(long=long), LONG, Encoding.GSM7)
        for long in text_encoding.LongMessageMode
    },
    **{
        f"{long} ucs2": (text_encoding.TextOptions(long=long), "жизнь🎉" * 40, Encoding.UCS2)
        for long in text_encoding.LongMessageMode
    },
    "udh8 packed": (text_encoding.TextOptions(text_encoding.Alphabet.GSM7_PACKED), LONG, Encoding.GSM7),
    "udh16 packed": (
        text_encoding.TextOptions(text_encoding.Alphabet.GSM7_PACKED, text_encoding.LongMessageMode.UDH16),
        LONG,
        Encoding.GSM7,
    ),
    "udh8 latin1": (
        text_encoding.TextOptions(text_encoding.Alphabet.LATIN1, gsm7_data_coding=3),
        "Grüße! " * 40,
        Encoding.GSM7,
    ),
}


@pytest.mark.parametrize("name", STYLES)
def test_a_long_message_is_logged_once_and_each_part_gets_a_receipt(tmp_path: Path, name: str) -> None:
    style, text, encoding = STYLES[name]
    script = {**NOW, "smpp": {"alphabet": style.alphabet}}

    with both(tmp_path / "log", alpha=script) as (_, port), esme(port) as one:
        bodies = bodies_of(parts_of(text, style, encoding), ref="r")
        answers = one.submit(*bodies)
        reported = [receipted(letter) for letter in one.letters(len(bodies))]

    assert len(bodies) == 1 if "payload" in name else len(bodies) > 1
    ids = [message_id for _, _, message_id in answers]
    assert len(set(ids)) == len(bodies)
    assert sorted(reported) == sorted(ids)
    [line] = read_log(tmp_path / "log")
    assert (line["ref"], line["carrier_id"], line["taken"]) == ("r", ids[0], True)
    assert line["body_hash"] == sha256(text.encode()).hexdigest()


def test_parts_of_a_long_message_can_come_in_any_order_over_any_bind(tmp_path: Path) -> None:
    with both(tmp_path / "log", alpha=NEVER) as (_, port), esme(port) as one, esme(port) as other:
        first, second, third = bodies_of(parts_of(LONG, text_encoding.TextOptions(), Encoding.GSM7), ref="r")
        one.submit(third)
        [(_, _, first_id)] = other.submit(first)
        one.submit(second)

    [line] = read_log(tmp_path / "log")
    assert (line["carrier_id"], line["body_hash"]) == (first_id, sha256(LONG.encode()).hexdigest())


def test_a_refused_long_message_is_refused_for_every_part_and_logged_once(tmp_path: Path) -> None:
    with both(tmp_path / "log", alpha={"refuse": 1}) as (_, port), esme(port) as one:
        answers = one.submit(*bodies_of(parts_of(LONG, text_encoding.TextOptions(), Encoding.GSM7), ref="r"))

    assert [status for _, status, _ in answers] == [CommandStatus.RX_R_APPN] * 3
    assert [line["taken"] for line in read_log(tmp_path / "log")] == [False]


def test_the_scripted_outcome_of_an_accepted_long_message_applies_to_its_last_part(tmp_path: Path) -> None:
    with both(tmp_path / "log", alpha={"silent": 1, **NEVER}) as (_, port), esme(port) as one:
        one.say(
            b"".join(
                pdu.submit_sm(one.next(), each)
                for each in bodies_of(parts_of(LONG, text_encoding.TextOptions(), Encoding.GSM7), ref="r")
            )
        )

        assert len(one.receive(3, seconds=0.3)) == 2
    assert [line["taken"] for line in read_log(tmp_path / "log")] == [True]


def test_a_message_without_our_reference_is_identified_by_its_content(tmp_path: Path) -> None:
    numbered = body(tlvs=pdu.tlv(Tag.USER_MESSAGE_REFERENCE, b"\x01\x02"))

    with both(tmp_path / "log", alpha=NEVER) as (_, port), esme(port) as one:
        one.submit(body(), body(), body(b"other"), numbered)

    refs = [line["ref"] for line in read_log(tmp_path / "log")]
    assert refs[0] == refs[1] != refs[2]
    assert refs[3] == "user-258"


# Many.


def test_five_thousand_messages_get_one_response_and_one_receipt_each() -> None:
    count, window = 5000, 100
    answered: set[int] = set()
    reported: set[str] = set()

    with both(alpha=NOW) as (url, port), esme(port) as one:
        asked = 0
        while len(answered) < count or len(reported) < count:
            room = min(window - (asked - len(answered)), count - asked)
            numbers = range(asked + 10, asked + 10 + room)
            one.say(b"".join(pdu.submit_sm(n, body(ref=str(n))) for n in numbers))
            asked += room
            _collect(one, answered, reported)
        stats = ask(f"{url}/alpha/stats")

    assert stats["decisions"] == {"accept": count}
    assert (stats["in_flight"], stats["smpp"]["again"]) == (0, 0)
    assert stats["peak"] <= window


def _collect(one: Esme, answered: set[int], reported: set[str]) -> None:
    """Take what is there, and acknowledge it."""
    frames = one.receive(1)
    assert frames
    frames += one.receive(len(one._frames), seconds=0)
    for command, _, sequence, octets in frames:
        if command == CommandId.SUBMIT_SM_RESP:
            answered.add(sequence)
        else:
            id_ = receipted(pdu.read_message(octets))
            assert id_ not in reported
            reported.add(id_)
            one.say(pdu.deliver_sm_resp(sequence))


def test_the_smsc_supports_tls(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("needs openssl")
    pem = tmp_path / "smsc.pem"
    made = f"{openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {pem} -out {pem}.cert"
    subprocess.run(made.split(), check=True, capture_output=True)
    pem.write_bytes(pem.read_bytes() + Path(f"{pem}.cert").read_bytes())
    trusting = ssl.create_default_context(cafile=f"{pem}.cert")

    with (
        both(tls=certified(pem), alpha={}) as (_, port),
        socket.create_connection(("localhost", port)) as plain,
        trusting.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        assert Esme(wrapped).bind("alpha")[0] == CommandStatus.ROK


def test_an_unreadable_certificate_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{tmp_path}/none.pem: not a certificate with its key"):
        main(["alpha"], port=0, smpp_port=0, certificate=tmp_path / "none.pem")


def test_a_connection_that_does_not_bind_is_not_closed_at_once() -> None:
    with both(alpha={}) as (_, port), socket.create_connection(("127.0.0.1", port)) as guest:
        guest.settimeout(0.2)

        with pytest.raises(TimeoutError):
            guest.recv(1)
