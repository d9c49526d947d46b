"""`postroad carrier status`, `set`, `drain` and `resume`, and the open breakers in `postroad status`."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import CommandId, CommandStatus
from pipeline.runtime import Runtime
from pipeline.stages.carrier_placement import BindReporter, keep_connected
from pipeline.stages.settle import settle_on_arrival
from pipeline.store import carrier_binds, circuit_breakers
from schema.carriage import BindReport, Receipt
from schema.vocabulary import ReceiptVerdict
from tests.carriers.smpp.peer import EsmeConnection, smsc
from tests.workers.cli.conftest import Shell
from tests.world import World
from workers.server_urls import with_local_servers


@pytest.fixture
def valkey(shell: Shell) -> Iterator[redis.Redis]:
    """The Valkey of the shell's own settings, with nobody ill in it, before and after."""
    with redis.Redis.from_url(with_local_servers().broker_url.get_secret_value(), protocol=2) as client:
        _heal(client)
        yield client
        _heal(client)


def _heal(client: redis.Redis) -> None:
    for key in client.scan_iter("postroad:health*"):
        client.delete(key)


def status(shell: Shell, *options: object) -> list[dict[str, object]]:
    said = shell("carrier", "status", *options, "--json")
    assert said.code == 0, said.err
    return list(json.loads(said.out))


def test_a_carrier_s_state_pace_and_breakers_are_shown(shell: Shell, valkey: redis.Redis) -> None:
    shell("carrier", "add", "beta", "--kind", "simulated", "--segments-per-second", 100)
    shell("carrier", "drain", "beta", "--reason", "their link is down")
    circuit_breakers.report(valkey, {"beta": (0, 50), "beta/NG": (0, 50)})

    [found] = status(shell, "beta")
    one, all_ = shell("carrier", "status", "beta").out, shell("carrier", "status").out

    assert (found["state"], found["reason"]) == ("drained", "their link is down")
    assert found["segments_per_second"] == 100
    assert [each["word"] for each in found["illnesses"]] == ["beta", "beta/NG"]  # type: ignore[attr-defined]
    for said in (one, all_):
        assert "drained (their link is down)" in said
        assert "open for 2 s, beta/NG open for 2 s" in said
    assert "simulated" in all_
    assert "last 15 min    no attempts" in one


REFUSING = pdu.bind_resp(CommandId.BIND_TRANSCEIVER, 1, "", CommandStatus.RINVPASWD)
ODDLY = pdu.bind_resp(CommandId.BIND_TRANSMITTER, 9, "smsc") + pdu.deliver_sm(
    1,
    pdu.message(
        pdu.address("source_addr", 1, 1, "2348012345678"),
        pdu.address("destination_addr", 5, 0, "ACME"),
        b"id:abc stat:DELIVRD err:000",
    ),
)
BINDS = {
    "refused": (
        REFUSING,
        {},
        "0 of 1 on {host}: ESME_RINVPASWD (wrong password; some SMSCs truncate it to 8 characters)",
        [],
    ),
    "no SMPP": (b"220 mail.example ESMTP\r\n", {}, "0 of 1 on {host}: unreadable (the server does not speak SMPP", []),
    "bound oddly": (
        ODDLY,
        {"password": "a long password"},
        "1 of 1 on {host}",
        [
            " × gets credentials that are longer than SMPP 3.4 allows",
            " × answered a bind with the response of another kind of bind",
            " × answered a bind with another sequence number",
            "stored as MO messages: set `receipts_by_text` if they are receipts",
        ],
    ),
}


@pytest.mark.parametrize(("octets", "given", "state", "remarks"), BINDS.values(), ids=BINDS)
def test_the_state_of_a_carrier_s_binds_is_shown_with_its_reason(
    shell: Shell, valkey: redis.Redis, octets: bytes, given: dict[str, str], state: str, remarks: list[str]
) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.read()
        esme.say(octets)
        esme.serve()

    with smsc(behaviour) as port, closing(Runtime(with_local_servers())) as rt:
        settings = {"host": "127.0.0.1", "port": port, "system_id": "us"} | given
        added = shell("carrier", "add", "gamma", "--kind", "smpp", "--settings", json.dumps(settings))
        reporter, deadline, said = BindReporter("gamma"), time.monotonic() + 20, ""
        wanted = [state.format(host=socket.gethostname()), *remarks]
        while not all(each in said for each in wanted) and time.monotonic() < deadline:
            reporter.look(rt, keep_connected(rt, "gamma", lambda received: None))
            said = shell("carrier", "status", "gamma").out
            time.sleep(0.05)

    assert [each for each in wanted if each not in said] == [], said
    assert added.code == 0
    assert ("carrier gamma: password has 15 characters, and SMPP 3.4 allows 8: sent as it is" in added.err) is bool(
        given
    )
    [found] = status(shell, "gamma")
    assert found["binds"][0]["is_stale"] is False  # type: ignore[index]


def test_binds_without_a_recent_report_are_shown_as_not_reported(shell: Shell, valkey: redis.Redis) -> None:
    shell("carrier", "add", "gamma", "--kind", "smpp", "--settings", '{"host": "127.0.0.1", "system_id": "us"}')
    with closing(Runtime(with_local_servers())) as rt, rt.begin() as conn:
        carrier_binds.write(conn, "gamma", "far-away", BindReport(1, 1))
        conn.exec_driver_sql("UPDATE carrier_binds SET at = at - interval '10 minutes'")

    assert "no report from far-away since" in shell("carrier", "status", "gamma").out
    assert "gamma: binds: no report from far-away since" in shell("carrier", "status").out


def test_the_status_of_all_carriers_names_those_with_missing_binds(shell: Shell, valkey: redis.Redis) -> None:
    for name, report in (("gamma", BindReport(0, 2, "refused")), ("delta", BindReport(1, 1))):
        shell("carrier", "add", name, "--kind", "smpp", "--settings", '{"host": "127.0.0.1", "system_id": "us"}')
        with closing(Runtime(with_local_servers())) as rt, rt.begin() as conn:
            carrier_binds.write(conn, name, "here", report)

    said = shell("carrier", "status").out

    assert "gamma: binds: 0 of 2 on here: refused" in said
    assert "delta: binds" not in said


def test_receipts_that_match_no_message_are_counted_in_the_status(shell: Shell, valkey: redis.Redis) -> None:
    shell("carrier", "add", "gamma", "--kind", "smpp", "--settings", '{"host": "127.0.0.1", "system_id": "us"}')
    reported = [
        Receipt("gamma", f"{id_}/x", ReceiptVerdict.DELIVERED, id_, None, None, None, "id:x")
        for id_ in ("00ab", "00AC")
    ]
    with closing(Runtime(with_local_servers())) as rt:
        settle_on_arrival(rt, reported)

    said = shell("carrier", "status", "gamma").out

    assert "2 receipts match no known message: see `submit_ids` and `receipt_ids`" in said
    assert status(shell, "gamma")[0]["unmatched"] == 2


def test_the_overall_status_names_open_breakers(shell: Shell, valkey: redis.Redis) -> None:
    well = shell("status").out
    circuit_breakers.report(valkey, {"gamma": (0, 50)})

    ill = shell("status")

    assert "gamma" not in well
    assert "open breakers: gamma open for 2 s" in ill.out
    assert [each["word"] for each in json.loads(shell("status", "--json").out)["ill"]] == ["gamma"]


def test_resuming_a_carrier_closes_its_breaker(shell: Shell, valkey: redis.Redis) -> None:
    shell("carrier", "add", "beta", "--kind", "simulated")
    circuit_breakers.report(valkey, {"beta": (0, 50)})

    assert shell("carrier", "resume", "beta").code == 0

    [found] = status(shell, "beta")
    assert (found["state"], found["reason"], found["illnesses"]) == ("active", None, [])
    assert "closed" in shell("carrier", "status", "beta").out


def test_pace_and_capabilities_are_set_apart_from_the_settings(shell: Shell) -> None:
    shell("carrier", "add", "beta", "--kind", "simulated", "--settings", '{"script": {"seed": 7}}')

    steps = [
        shell("carrier", "set", "beta", "--segments-per-second", "0.5"),
        shell("carrier", "set", "beta", "--capabilities", '{"ucs2": false}'),
    ]
    [limited] = status(shell, "beta")
    steps.append(shell("carrier", "set", "beta", "--segments-per-second", "none"))
    [unlimited] = status(shell, "beta")

    assert [step.code for step in steps] == [0, 0, 0]
    assert (limited["segments_per_second"], unlimited["segments_per_second"]) == (0.5, None)
    [beta] = [row for row in json.loads(shell("carrier", "list", "--json").out) if row["name"] == "beta"]
    assert (beta["settings"], beta["capabilities"]) == ({"script": {"seed": 7}}, {"ucs2": False})


UNFIT = [
    (("status", "nobody"), 1, "there is no carrier 'nobody'"),
    (("set", "nobody", "--segments-per-second", "5"), 1, "there is no carrier 'nobody'"),
    (("set", "beta"), 2, "give --capabilities"),
    (("set", "beta", "--segments-per-second", "fast"), 2, "'fast' is not a rate"),
    (("set", "beta", "--segments-per-second", "0"), 2, "'0' is not a rate"),
    (("set", "beta", "--segments-per-second", "0.001"), 2, "a pace is 0.1 to"),
    (("set", "beta", "--capabilities", '{"mms": true}'), 2, "capabilities are"),
]


@pytest.mark.parametrize(("command", "code", "words"), UNFIT)
def test_invalid_arguments_are_reported(shell: Shell, command: tuple[str, ...], code: int, words: str) -> None:
    said = shell("carrier", *command)

    assert (said.code, said.out) == (code, "")
    assert words in said.err


def test_the_state_of_a_breaker_is_unknown_without_valkey(shell: Shell) -> None:
    shell.set(BROKER_URL="amqp://localhost")

    said = shell("carrier", "status", "simulated")

    assert said.code == 0, said.err
    assert "unknown: Valkey is unreachable" in said.out
    assert "open breakers" not in shell("status").out


def test_literal_values_in_a_carrier_s_request_templates_are_masked(shell: Shell, world: World, tmp_path: Path) -> None:
    settings = {
        "url": "https://acme:s3cret@sms.example/send?p=s3cret",
        "form": {"user": "acme", "pin": "s3cret", "to": "${to_digits}", "text": "${text:hex}", "code": 1234567},
        "values": {"coding": {"encoding": {"GSM7": "s3cret", "UCS2": "${text:utf16-hex}"}}},
        "answers": {"accepted": {"statuses": [200]}},
    }
    (tmp_path / "one.json").write_text(json.dumps(settings))
    (tmp_path / "two.json").write_text(json.dumps({"host": "acme:s3cret@smpp.example", "system_id": "acme"}))
    for name, kind in (("one", "generic"), ("two", "smpp")):
        assert shell("carrier", "add", name, "--kind", kind, "--settings-file", tmp_path / f"{name}.json").code == 0

    listed, plain = shell("carrier", "list"), shell("carrier", "list", "--json")

    assert "s3cret" not in listed.out + plain.out
    assert "1234567" not in listed.out + plain.out
    shown = next(each["settings"]["form"] for each in json.loads(plain.out) if each["name"] == "one")
    assert shown == {"user": "•••", "pin": "•••", "to": "${to_digits}", "text": "${text:hex}", "code": "•••"}
