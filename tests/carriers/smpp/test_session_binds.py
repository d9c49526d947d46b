"""Binds: connecting, keep-alive, reconnecting, closing."""

import re
import socket
import ssl
import threading
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline.carriers.contract import ConnectedCarrier, QueryableCarrier
from pipeline.carriers.registry import make
from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import CommandId, CommandStatus
from pipeline.carriers.smpp.diagnostics import Diagnostic
from pipeline.carriers.smpp.smpp_carrier import SmppCarrier
from pipeline.errors import ConfigurationError
from pipeline.rules.routing.outcomes import is_good
from schema.carriage import Attempt, CarrierEvents
from schema.vocabulary import Outcome
from tests.carriers.conformance import parcel
from tests.carriers.raw import reset
from tests.carriers.smpp.peer import SETTINGS, Clients, EsmeConnection, smsc

ACCEPTED, NOT_WRITTEN = Outcome.ACCEPTED, Outcome.NOT_WRITTEN


def words(attempts: list[Attempt]) -> list[tuple[Outcome, str | None]]:
    return [(attempt.outcome, attempt.code) for attempt in attempts]


def until(fact: object, seconds: float = 20) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not fact():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.005)


def deaf(events: CarrierEvents) -> None:
    """Keep nothing."""


def test_no_connection_and_no_thread_is_opened_before_the_first_use(client: Clients) -> None:
    esmes: list[EsmeConnection] = []
    before = threading.active_count()
    with smsc(esmes.append) as port:
        carrier = client(port)
        time.sleep(0.1)
        state = carrier.binds()

    assert esmes == []
    assert state == {"bound": 0, "wanted": 1, "open": 0}
    assert threading.active_count() == before
    assert isinstance(carrier, ConnectedCarrier)
    assert isinstance(carrier, QueryableCarrier)


def test_the_registry_makes_an_smpp_carrier() -> None:
    carrier = make("alpha", "smpp", {"host": "smsc.example", "system_id": "a"}, lease=60)

    assert (carrier.name, carrier.call_deadline) == ("alpha", 20)
    carrier.close()


@pytest.mark.parametrize(
    ("settings", "sent_by", "received_by"),
    [
        ({}, [CommandId.BIND_TRANSMITTER], [CommandId.BIND_TRANSCEIVER]),
        ({"mode": "separate"}, [CommandId.BIND_TRANSMITTER], [CommandId.BIND_TRANSMITTER, CommandId.BIND_RECEIVER]),
        ({"mode": "transmitter"}, [CommandId.BIND_TRANSMITTER], [CommandId.BIND_TRANSMITTER]),
        ({"mode": "receiver"}, [], [CommandId.BIND_RECEIVER]),
        ({"binds": 2}, [CommandId.BIND_TRANSMITTER] * 2, [CommandId.BIND_TRANSCEIVER] * 2),
        ({"mode": "separate", "binds": 2}, [2, 2], [2, 2, 1, 1]),
    ],
)
def test_the_mode_determines_the_kinds_and_number_of_binds(
    client: Clients, settings: dict[str, object], sent_by: list[int], received_by: list[int]
) -> None:
    binds: list[int] = []

    def behaviour(esme: EsmeConnection) -> None:
        binds.append(esme.welcome())
        esme.serve()

    with smsc(behaviour) as port:
        sender, listener = client(port, **settings), client(port, **settings)
        attempts = sender.send([parcel()])
        until(lambda: sender.binds()["bound"] == len(binds) == len(sent_by))
        first = list(binds)
        listener.listen(deaf)
        until(lambda: listener.binds()["bound"] == len(binds) - len(first) == len(received_by))
        second = binds[len(first) :]
        client.close()

    assert sorted(first) == sorted(sent_by)
    assert sorted(second) == sorted(received_by)
    assert words(attempts) == [(ACCEPTED, None) if sent_by else (NOT_WRITTEN, "not_bound")]


def test_a_transmitter_is_rebound_as_transceiver_when_a_listener_is_added(client: Clients) -> None:
    binds = []

    def behaviour(esme: EsmeConnection) -> None:
        binds.append(esme.welcome())
        esme.serve()

    with smsc(behaviour) as port:
        carrier = client(port)
        attempts = carrier.send([parcel()])
        carrier.listen(deaf)
        until(lambda: len(binds) == 2)
        attempts += carrier.send([parcel()])
        client.close()

    assert binds == [CommandId.BIND_TRANSMITTER, CommandId.BIND_TRANSCEIVER]
    assert words(attempts) == [(ACCEPTED, None)] * 2


def test_the_bind_pdu_has_the_credentials_and_options_of_the_settings(client: Clients) -> None:
    seen = []

    def behaviour(esme: EsmeConnection) -> None:
        _, _, sequence, body = esme.read()
        seen.append(pdu.read_bind(body))
        esme.say(pdu.bind_resp(CommandId.BIND_TRANSMITTER, sequence, "smsc"))
        esme.serve()

    with smsc(behaviour) as port:
        client(port, system_type="sms", address_range="^49").send([parcel()])
        client(port, interface_version="3.3", address_ton=1, address_npi=2).send([parcel()])
        client.close()

    assert seen == [
        pdu.BindPdu("postroad", "secret", "sms", 0x34, 0, 0, "^49"),
        pdu.BindPdu("postroad", "secret", "", 0x33, 1, 2, ""),
    ]


LONG = {
    "system_id": ("a_system_id_of_30_characters__", 15),
    "password": ("Str0ngPassw0rd", 8),
    "system_type": ("a long system type", 12),
    "address_range": ("^" + "49" * 30, 40),
}


def test_credentials_longer_than_smpp_allows_are_sent_unchanged_with_a_warning(client: Clients) -> None:
    seen, types = [], []

    def behaviour(esme: EsmeConnection) -> None:
        _, _, sequence, body = esme.read()
        seen.append(pdu.read_bind(body))
        esme.say(pdu.bind_resp(CommandId.BIND_TRANSMITTER, sequence, "smsc"))
        sequence, body = esme.submit()[2:]
        types.append(pdu.read_message(body).service_type)
        esme.say(pdu.submit_sm_resp(sequence, "m1"))
        esme.serve()

    given: dict[str, Any] = {key: value for key, (value, _) in LONG.items()}
    with smsc(behaviour) as port:
        carrier = client(port, **given, service_type="premium")
        attempts = carrier.send([parcel()])
        remarks = carrier.report().remarks
        client.close()

    assert seen == [pdu.BindPdu(**given)]
    assert types == ["premium"]
    assert words(attempts) == [(ACCEPTED, None)]
    assert remarks == {"long_credentials": 1}
    assert sorted(carrier.warnings) == sorted(
        f"carrier alpha: {key} has {len(value)} characters, and SMPP 3.4 allows {most}: sent as it is"
        for key, (value, most) in [*LONG.items(), ("service_type", ("premium", 5))]
    )


def test_a_password_outside_ascii_is_sent_in_iso_8859_1_with_a_warning(client: Clients) -> None:
    seen = []

    def behaviour(esme: EsmeConnection) -> None:
        command, _, sequence, body = esme.read()
        seen.append(pdu.read_bind(body).password)
        esme.answer(command, sequence)
        esme.serve()

    with smsc(behaviour) as port:
        carrier = client(port, password="sécret")
        carrier.send([parcel()])
        client.close()

    assert seen == ["sécret"]
    assert carrier.warnings == (
        "carrier alpha: password is encoded in ISO 8859-1, and SMPP 3.4 allows ASCII: sent as it is",
    )


def test_messages_are_distributed_over_all_binds(client: Clients) -> None:
    taken: dict[int, int] = {}

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            sequence = esme.submit()[2]
            taken[id(esme)] = taken.get(id(esme), 0) + 1
            time.sleep(0.001)
            esme.say(pdu.submit_sm_resp(sequence, "m"))

    with smsc(behaviour) as port:
        carrier = client(port, binds=3, window=2)
        carrier.listen(deaf)
        until(lambda: carrier.binds()["bound"] == 3)
        attempts = carrier.send([parcel() for _ in range(90)])
        client.close()

    assert words(attempts) == [(ACCEPTED, None)] * 90
    assert min(taken.values()) > 10


def test_messages_are_sent_by_the_other_bind_when_one_is_lost(client: Clients) -> None:
    esmes: list[EsmeConnection] = []

    def behaviour(esme: EsmeConnection) -> None:
        esmes.append(esme)
        if len(esmes) > 2:
            return
        esme.welcome()
        esme.serve()

    with smsc(behaviour) as port:
        carrier = client(port, binds=2, reconnect_pause=5)
        carrier.listen(deaf)
        until(lambda: carrier.binds()["bound"] == 2)
        esmes[0].socket.shutdown(socket.SHUT_RDWR)
        until(lambda: carrier.binds()["bound"] == 1)
        attempts = carrier.send([parcel() for _ in range(20)])
        client.close()

    assert words(attempts) == [(ACCEPTED, None)] * 20


@pytest.mark.parametrize(
    "status", [CommandStatus.RINVPASWD, CommandStatus.RINVSYSID, CommandStatus.RBINDFAIL, CommandStatus.RALYBND]
)
def test_messages_are_not_written_when_the_bind_is_refused(client: Clients, status: CommandStatus) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        command, _, sequence, _ = esme.read()
        esme.say(pdu.bind_resp(command, sequence, "", status))
        esme.read()

    with smsc(behaviour) as port:
        attempts = client(port).send([parcel() for _ in range(5)])
        client.close()

    assert words(attempts) == [(NOT_WRITTEN, f"ESME_{status.name}")] * 5


def _mute(esme: EsmeConnection) -> None:
    esme.read()
    esme.read()


def _closing(esme: EsmeConnection) -> None:
    esme.read()


def _resetting(esme: EsmeConnection) -> None:
    esme.read()
    reset(esme.socket)


def _nacking(esme: EsmeConnection) -> None:
    esme.say(pdu.generic_nack(esme.read()[2], CommandStatus.RINVCMDID))
    esme.read()


def _nacking_nobody(esme: EsmeConnection) -> None:
    esme.read()
    esme.say(pdu.generic_nack(0, CommandStatus.RINVCMDLEN))
    esme.read()


def _nacking_without_a_reason(esme: EsmeConnection) -> None:
    esme.say(pdu.generic_nack(esme.read()[2], CommandStatus.ROK))
    esme.read()


def _babbling(esme: EsmeConnection) -> None:
    esme.read()
    esme.say(b"220 mail.example ESMTP\r\n")
    esme.read()


BEHAVIOURS = {
    "mute": (_mute, "bind_timeout"),
    "closing": (_closing, "closed"),
    "resetting": (_resetting, "reset"),
    "nacking": (_nacking, "ESME_RINVCMDID"),
    "nacking nobody": (_nacking_nobody, "ESME_RINVCMDLEN"),
    "nacking without a reason": (_nacking_without_a_reason, "generic_nack"),
    "babbling": (_babbling, "unreadable"),
}


@pytest.mark.parametrize(("behaviour", "code"), BEHAVIOURS.values(), ids=BEHAVIOURS)
def test_messages_are_not_written_without_a_valid_bind_response(client: Clients, behaviour: object, code: str) -> None:
    with smsc(behaviour) as port:  # type: ignore[arg-type]
        attempts = client(port, bind_timeout=0.2).send([parcel() for _ in range(1000)])
        client.close()

    assert set(words(attempts)) == {(NOT_WRITTEN, code)}


def _another_number(command: int, sequence: int) -> bytes:
    return pdu.bind_resp(command, sequence + 7, "smsc")


def _no_number(command: int, sequence: int) -> bytes:
    return pdu.bind_resp(command, 0, "smsc")


def _another_kind(command: int, sequence: int) -> bytes:
    return pdu.bind_resp(CommandId.BIND_RECEIVER, sequence, "smsc")


def _another_kind_and_number(command: int, sequence: int) -> bytes:
    return pdu.bind_resp(CommandId.BIND_RECEIVER, sequence - 1, "smsc")


def _no_end(command: int, sequence: int) -> bytes:
    return pdu.pdu(command | 0x80000000, sequence, b"smsc")


def _nothing(command: int, sequence: int) -> bytes:
    return pdu.pdu(command | 0x80000000, sequence)


def _more_than_asked(command: int, sequence: int) -> bytes:
    return pdu.pdu(command | 0x80000000, sequence, b"a system id of far more than sixteen\0\x02\x10\0\x09\x34 and more")


ODD = {
    "under another number": (_another_number, [Diagnostic.BIND_RESP_SEQUENCE]),
    "under number 0": (_no_number, [Diagnostic.BIND_RESP_SEQUENCE]),
    "by another kind": (_another_kind, [Diagnostic.BIND_RESP_KIND]),
    "by another kind under another number": (
        _another_kind_and_number,
        [Diagnostic.BIND_RESP_KIND, Diagnostic.BIND_RESP_SEQUENCE],
    ),
    "without a NUL": (_no_end, []),
    "without a body": (_nothing, []),
    "with more than it may": (_more_than_asked, []),
}


@pytest.mark.parametrize(("answer", "remarks"), ODD.values(), ids=ODD)
def test_a_bind_with_a_deviating_but_positive_response_is_used(
    client: Clients, answer: object, remarks: list[Diagnostic]
) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        command, _, sequence, _ = esme.read()
        esme.say(answer(command, sequence))  # type: ignore[operator]
        esme.serve()

    with smsc(behaviour) as port:
        carrier = client(port, bind_timeout=20)
        attempts = carrier.send([parcel()])
        reported = carrier.report().remarks
        client.close()

    assert words(attempts) == [(ACCEPTED, None)]
    assert dict(reported) == dict.fromkeys(remarks, 1)


@pytest.mark.parametrize("command", [CommandId.BIND_TRANSMITTER, CommandId.BIND_RECEIVER])
def test_a_bind_refused_under_a_wrong_sequence_number_is_refused(client: Clients, command: CommandId) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        _, _, sequence, _ = esme.read()
        esme.say(pdu.bind_resp(command, sequence + 1, "", CommandStatus.RINVPASWD))
        esme.read()

    with smsc(behaviour) as port:
        carrier = client(port, bind_timeout=20, reconnect_pause=20)
        attempts = carrier.send([parcel()])
        reported = carrier.report()
        client.close()

    assert words(attempts) == [(NOT_WRITTEN, "ESME_RINVPASWD")]
    assert (reported.bound, reported.wanted, reported.fault) == (0, 1, "ESME_RINVPASWD")


def test_messages_to_an_smsc_that_refuses_connections_are_not_written(client: Clients) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    carrier = client(port, reconnect_pause=20)

    attempts = carrier.send([parcel()])
    began = time.monotonic()
    attempts += carrier.send([parcel() for _ in range(1000)])

    assert time.monotonic() - began < 5
    assert set(words(attempts)) == {(NOT_WRITTEN, "refused")}


def test_messages_are_not_written_when_connecting_to_the_smsc_times_out(client: Clients) -> None:
    with socket.socket() as server, ExitStack() as queue:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        attempts = client(server.getsockname()[1], connect_timeout=0.2).send([parcel()])
        client.close()

    assert words(attempts) == [(NOT_WRITTEN, "connect_timeout")]


def test_messages_to_a_host_name_that_does_not_resolve_are_not_written(client: Clients) -> None:
    [attempt] = client(2775, host="smsc.invalid").send([parcel()])

    assert attempt.outcome is NOT_WRITTEN
    assert attempt.code in {"dns", "connect_timeout"}


def test_a_lost_bind_is_retried_with_exponential_backoff_until_it_is_accepted(client: Clients) -> None:
    at: list[float] = []

    def behaviour(esme: EsmeConnection) -> None:
        at.append(time.monotonic())
        if len(at) > 5:
            esme.welcome()
            esme.serve()

    with smsc(behaviour) as port:
        carrier = client(port, reconnect_pause=0.04)
        carrier.listen(deaf)
        until(lambda: carrier.binds()["bound"] == 1)
        attempts = carrier.send([parcel()])
        client.close()

    pauses = [later - earlier for earlier, later in pairwise(at)]
    assert 0.02 <= pauses[0] < 0.2
    # 0.04 doubled four times, and of that at least a half
    assert pauses[4] >= 0.32
    assert words(attempts) == [(ACCEPTED, None)]


def test_enquire_link_is_sent_regularly_and_answered_when_received(client: Clients) -> None:
    seen = []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        esme.say(pdu.enquire_link(77))
        while True:
            command, _, sequence, _ = esme.read()
            seen.append((command, sequence))
            esme.answer(command, sequence)

    with smsc(behaviour) as port:
        carrier = client(port, enquire_link=0.1)
        carrier.listen(deaf)
        until(lambda: len(seen) >= 5)
        state = carrier.binds()
        client.close()

    assert seen[0] == (CommandId.ENQUIRE_LINK_RESP, 77)
    assert {command for command, _ in seen[1:5]} == {CommandId.ENQUIRE_LINK}
    assert state["bound"] == 1


def test_a_bind_without_a_response_to_enquire_link_is_replaced(client: Clients) -> None:
    binds = []

    def behaviour(esme: EsmeConnection) -> None:
        binds.append(esme.welcome())
        while esme.socket.recv(4096):
            pass

    with smsc(behaviour) as port:
        carrier = client(port, enquire_link=0.1)
        carrier.listen(deaf)
        until(lambda: len(binds) >= 2)
        client.close()


def test_a_response_that_arrives_byte_by_byte_past_its_deadline_ends_the_bind(client: Clients) -> None:
    binds = []

    def behaviour(esme: EsmeConnection) -> None:
        binds.append(esme.welcome())
        if len(binds) > 1:
            esme.serve()
        for octet in pdu.submit_sm_resp(esme.submit()[2], "x" * 60):
            esme.say(bytes((octet,)))
            time.sleep(0.1)

    with smsc(behaviour) as port:
        attempts = client(port, window=1, deadline=1.5, call_deadline=10).send([parcel(), parcel()])
        client.close()

    assert words(attempts) == [(Outcome.UNKNOWN, "timeout"), (ACCEPTED, None)]


def test_on_a_half_open_connection_messages_in_flight_are_unknown_and_the_rest_not_written(client: Clients) -> None:
    esmes: list[EsmeConnection] = []
    released = threading.Event()

    def behaviour(esme: EsmeConnection) -> None:
        esmes.append(esme)
        if len(esmes) == 1:
            esme.welcome()
            released.wait(10)

    with smsc(behaviour) as port:
        carrier = client(port, window=5, deadline=0.4, call_deadline=3)
        attempts = carrier.send([parcel() for _ in range(40)])
        released.set()
        client.close()

    assert words(attempts)[:5] == [(Outcome.UNKNOWN, "timeout")] * 5
    assert {outcome for outcome, _ in words(attempts)[5:]} == {NOT_WRITTEN}


def test_closing_waits_for_messages_in_flight_and_sends_unbind(client: Clients) -> None:
    seen = []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        sequence = esme.submit()[2]
        time.sleep(0.2)
        esme.say(pdu.submit_sm_resp(sequence, "in-time"))
        command, _, sequence, _ = esme.read()
        seen.append(command)
        esme.answer(command, sequence)

    with smsc(behaviour) as port:
        carrier = client(port)
        attempts: list[Attempt] = []
        sending = threading.Thread(target=lambda: attempts.extend(carrier.send([parcel()])))
        sending.start()
        until(lambda: carrier.binds()["open"] == 1)
        carrier.close()
        sending.join()
        after = carrier.send([parcel()])

    assert [attempt.carrier_ref for attempt in attempts] == ["in-time"]
    assert seen == [CommandId.UNBIND]
    assert words(after) == [(NOT_WRITTEN, "put_away")]
    # we left the carrier, and not the other way round
    assert is_good(after[0]) is None


def test_a_message_throttled_during_closing_is_refused_transiently_without_a_retry(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        sequence = esme.submit()[2]
        time.sleep(0.2)
        esme.say(pdu.submit_sm_resp(sequence, "", CommandStatus.RTHROTTLED))
        esme.serve()

    with smsc(behaviour) as port:
        carrier = client(port)
        attempts: list[Attempt] = []
        sending = threading.Thread(target=lambda: attempts.extend(carrier.send([parcel()])))
        sending.start()
        until(lambda: carrier.binds()["open"] == 1)
        began = time.monotonic()
        carrier.close()
        sending.join()

    assert words(attempts) == [(Outcome.REFUSED_TRANSIENT, "throttled")]
    assert time.monotonic() - began < 5


def test_an_smpp_carrier_can_be_closed_twice_and_leaves_no_thread(client: Clients) -> None:
    before = threading.active_count()
    with smsc(lambda esme: esme.serve()) as port:
        carrier = client(port)
        carrier.listen(deaf)
        carrier.send([parcel()])
        carrier.close()
        carrier.close()
        carrier.listen(deaf)
        assert carrier.send([]) == []

    until(lambda: threading.active_count() == before)


def test_closing_while_the_smsc_is_unreachable_ends_within_seconds(client: Clients) -> None:
    carrier = client(1)
    carrier.listen(deaf)
    time.sleep(0.05)

    began = time.monotonic()
    carrier.close()

    assert time.monotonic() - began < 3


def test_closing_ends_within_seconds_when_the_smsc_does_not_answer_unbind(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while esme.read():
            pass

    with smsc(behaviour) as port:
        carrier = client(port)
        carrier.listen(deaf)
        until(lambda: carrier.binds()["bound"] == 1)
        began = time.monotonic()
        carrier.close()

    assert time.monotonic() - began < 3


def test_an_unknown_command_gets_a_generic_nack_and_alert_notification_gets_no_response(client: Clients) -> None:
    seen = []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        esme.say(pdu.pdu(CommandId.ALERT_NOTIFICATION, 5) + pdu.pdu(0x0000_0300, 6) + pdu.pdu(0x8000_0300, 7))
        seen.append(esme.read())
        esme.serve()

    with smsc(behaviour) as port:
        carrier = client(port)
        carrier.listen(deaf)
        until(lambda: bool(seen))
        attempts = carrier.send([parcel()])
        client.close()

    assert seen[0][:3] == (CommandId.GENERIC_NACK, CommandStatus.RINVCMDID, 6)
    assert words(attempts) == [(ACCEPTED, None)]


def test_tls_is_used_only_with_a_trusted_certificate_for_the_host_name(client: Clients, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def behaviour(esme: EsmeConnection) -> None:
        with context.wrap_socket(esme.socket, server_side=True) as esme.socket:
            esme.welcome()
            esme.serve()

    trusted = {"tls": True, "ca_file": str(certificate)}
    with smsc(behaviour) as port:
        attempts = client(port, host="localhost", tls=True).send([parcel()])
        attempts += client(port, host="localhost", **trusted).send([parcel(), parcel()])
        attempts += client(port, **trusted).send([parcel()])
        attempts += client(port, **trusted, tls_name="localhost").send([parcel()])
        client.close()

    assert words(attempts) == [
        (NOT_WRITTEN, "tls"),
        (ACCEPTED, None),
        (ACCEPTED, None),
        (NOT_WRITTEN, "tls"),
        (ACCEPTED, None),
    ]


def test_messages_to_an_smsc_without_tls_are_not_written_when_tls_is_set(client: Clients) -> None:
    with smsc(lambda esme: esme.serve()) as port:
        [attempt] = client(port, tls=True).send([parcel()])
        client.close()

    assert attempt.outcome is NOT_WRITTEN


UNFIT = {
    "no host": ({"host": None}, "host is required"),
    "a password far too long": ({"password": "x" * 256}, "password must have at most 255 characters"),
    "a password that no octets are": ({"password": "секрет"}, "password must be of ISO 8859-1"),
    "a name that no certificate has": ({"tls_name": "a..example"}, "tls_name must be a name or an address"),
    "a port that is none": ({"port": 70000}, "port must be a number from 1 to 65535"),
    "a mode that is none": ({"mode": "half"}, "mode must be one of transceiver, separate, transmitter, receiver"),
    "a version that is none": ({"interface_version": "3.5"}, "interface_version must be one of 3.3, 3.4, 5.0"),
    "a key nobody knows": ({"wings": 2}, "wings is no setting"),
    "an ability nobody has": ({"doubt": "dedupes"}, "doubt must be blind or queryable"),
    "a file that is not there": ({"ca_file": "/nowhere"}, "ca_file must be a readable file"),
    "a status that is none": ({"refusals": {"88": "wait"}}, "refusals must be of the form"),
    "a meaning that is none": ({"refusals": {"0x58": "hurry"}}, "refusals must be of the form"),
    "a tag that is none": ({"tlvs": {"1400": "x"}}, "tlvs must have tags of the form 0x1400"),
    "a value that is none": ({"tlvs": {"0x1400": 7}}, "tlvs must have printable ASCII for 0x1400"),
    "a sender without tags": ({"tlvs_by_sender": {"ACME": "x"}}, "tlvs_by_sender must be an object of objects"),
    "a service_type far too long": ({"service_type": "x" * 256}, "service_type must have at most 255"),
}


@pytest.mark.parametrize(("settings", "words_"), UNFIT.values(), ids=UNFIT)
def test_an_invalid_setting_is_refused_by_its_name(settings: dict[str, object], words_: str) -> None:
    given: dict[str, Any] = {key: value for key, value in {**SETTINGS, **settings}.items() if value is not None}

    with pytest.raises(ConfigurationError, match=re.escape(f"carrier alpha: {words_}")) as caught:
        SmppCarrier("alpha", given)

    assert "secret" not in str(caught.value).replace("password", "")
