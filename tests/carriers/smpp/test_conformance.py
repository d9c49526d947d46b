"""SMPP passes the conformance suite, against the simulator as an SMSC."""

import socket
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pipeline.carriers.simulated_smsc import REF_TAG
from pipeline.carriers.simulator_script import ScriptedOutcome
from pipeline.carriers.smpp.smpp_carrier import SmppCarrier
from pipeline.rules.text.segments import measure
from schema.carriage import Attempt, CarrierEvents
from schema.vocabulary import Encoding, Outcome, ReceiptVerdict
from tests.carriers.conformance import BODIES, DEADLINE, ENDINGS, EXPECTED, SOON, WINDOW, Conformance, parcel
from tests.carriers.simulator import ask, both, read_log


class Bound:
    """An SMPP carrier with the real simulator behind it."""

    def __init__(self, url: str, port: int, path: Path) -> None:
        self.url = url
        self.port = port
        self.path = path
        self.made: list[SmppCarrier] = []

    def carrier(self, script: dict[str, Any] | None = None, **settings: object) -> SmppCarrier:
        ask(f"{self.url}/alpha/script", "PUT", script or {})
        return self.at(self.port, **settings)

    def away(self) -> SmppCarrier:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        return self.at(port)

    def at(self, port: int, **settings: object) -> SmppCarrier:
        given = {
            "host": "127.0.0.1",
            "port": port,
            "system_id": "alpha",
            "window": WINDOW,
            "deadline": DEADLINE,
            "call_deadline": DEADLINE + 1,
            # longer than a call: nothing that is throttled waits for its end
            "throttle_pause": 7,
            "reference_tag": REF_TAG,
            **settings,
        }
        self.made.append(SmppCarrier("alpha", given))
        return self.made[-1]

    def log(self) -> list[dict[str, Any]]:
        return read_log(self.path)

    def peak(self) -> int:
        return int(ask(f"{self.url}/alpha/stats")["peak"])


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Bound]:
    log = tmp_path / "oracle.jsonl"
    with both(log, alpha={}) as (url, port):
        rig = Bound(url, port, log)
        yield rig
        for carrier in rig.made:
            carrier.close()


class TestSmpp(Conformance):
    REFUSED = ("refuse:0x0b", "ESME_RINVDSTADR")
    REFUSED_FOR_NOW = ("refuse_transient:RSUBMITFAIL", "ESME_RSUBMITFAIL")

    def test_the_outcome_of_one_parcel_does_not_affect_the_others_of_its_call(self, rig: Bound) -> None:  # type: ignore[override]
        """One connection carries them all: what breaks it leaves unknown what is in flight, and nothing else."""
        words = {
            ending: "slow:0.1" if scripted is ScriptedOutcome.SLOW else scripted.value
            for ending, scripted in ENDINGS.items()
        }
        apart = {
            ScriptedOutcome.THROTTLE,
            ScriptedOutcome.QUEUE_FULL,
            ScriptedOutcome.TRICKLE,
            ScriptedOutcome.HALF_OPEN,
        }
        carrier = rig.carrier({"numbers": words}, window=1, deadline=3 * SOON, call_deadline=60, reconnect_pause=0.01)
        # an SMSC that breaks two binds in a row is given a rest
        endings = [ending for fated, scripted in ENDINGS.items() if scripted not in apart for ending in (fated, "1000")]
        parcels = [parcel(to=f"+49170555{ending}") for ending in endings * 3]

        attempts = carrier.send(parcels)

        assert [attempt.outcome for attempt in attempts] == [EXPECTED[ENDINGS[each.to[-4:]]] for each in parcels]

    def test_a_carrier_can_be_used_for_several_calls_even_after_a_reset_connection(self, rig: Bound) -> None:  # type: ignore[override]
        carrier = rig.carrier({"numbers": {"9": "reset"}}, window=1)

        rounds = [carrier.send([parcel(), parcel(to="+4917012345679"), parcel()]) for _ in range(5)]

        outcomes = [[attempt.outcome for attempt in attempts] for attempts in rounds]
        assert outcomes == [[Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.ACCEPTED]] * 5
        assert len(rig.log()) == 15

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
    def test_the_carrier_receives_the_text_intact(self, rig: Bound, body: str) -> None:  # type: ignore[override]
        [measured] = measure([body])

        [attempt] = rig.carrier().send([parcel(body, encoding=measured.encoding, segments=measured.segments)])

        # no UTF-16 has half a character
        whole = body.encode("utf-16-be", "replace").decode("utf-16-be")
        [line] = rig.log()
        assert attempt.outcome is Outcome.ACCEPTED
        assert line["body_hash"] == sha256(whole.encode()).hexdigest()


@pytest.mark.parametrize("form", ["udh8", "udh16", "sar", "payload"])
@pytest.mark.parametrize("alphabet", ["gsm7", "gsm7_packed", "latin1"])
@pytest.mark.parametrize("body", ["Grüße [x] " * 40, "буквы " * 60], ids=["western", "cyrillic"])
def test_the_smsc_receives_a_long_message_intact_in_each_form_of_concatenation_and_alphabet(
    rig: Bound, form: str, alphabet: str, body: str
) -> None:
    [measured] = measure([body])
    carrier = rig.carrier({"smpp": {"alphabet": alphabet}}, long=form, alphabet=alphabet)
    given = parcel(body, encoding=measured.encoding, segments=measured.segments)

    [attempt] = carrier.send([given])

    [line] = rig.log()
    assert (attempt.outcome, attempt.carrier_ref) == (Outcome.ACCEPTED, line["carrier_id"])
    assert len(attempt.parts) == (0 if form == "payload" else measured.segments)
    assert (line["ref"], line["body_hash"]) == (str(given.ref), sha256(body.encode()).hexdigest())


def test_each_attempt_agrees_with_the_simulator_s_log_when_faults_are_mixed(rig: Bound) -> None:
    script = {"seed": 7, "silent": 0.01, "refuse:0x0b": 0.02, "refuse_transient": 0.02, "nack": 0.01, "reset": 0.003}
    carrier = rig.carrier(script, binds=2, window=10, deadline=3 * SOON, call_deadline=60, reconnect_pause=0.01)
    attempts: list[Attempt] = []
    lock = threading.Lock()

    def send() -> None:
        for _ in range(5):
            got = carrier.send([parcel() for _ in range(100)])
            with lock:
                attempts.extend(got)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    taken = {line["ref"]: line["taken"] for line in rig.log()}
    assert len(attempts) == 2000
    for attempt in attempts:
        if attempt.outcome is Outcome.ACCEPTED:
            assert taken[str(attempt.ref)]
        elif attempt.outcome is Outcome.NOT_WRITTEN:
            assert str(attempt.ref) not in taken
        elif attempt.outcome is not Outcome.UNKNOWN:
            assert not taken[str(attempt.ref)]
    assert len(rig.log()) == len(taken)
    outcomes = {attempt.outcome for attempt in attempts}
    assert {Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.REFUSED_PERMANENT, Outcome.REFUSED_TRANSIENT} <= outcomes


@pytest.mark.parametrize("made", ["text", "tlv", "both"])
def test_each_receipt_has_the_message_id_of_its_submit_sm_resp(rig: Bound, made: str) -> None:
    events: list[CarrierEvents] = []
    script = {
        "smpp": {"receipts": made, "ids": "hex", "receipt_ids": "padded"},
        "receipts": {"delay": 0, "numbers": {"1": "failed:5", "2": "never"}},
    }
    carrier = rig.carrier(script, submit_ids="hex_to_dec", receipt_ids="zero_stripped")
    carrier.listen(events.append)
    parcels = [parcel(to=f"+49170123456{n}", encoding=Encoding.GSM7) for n in (1, 2, 3)]

    attempts = carrier.send(parcels)

    end = time.monotonic() + 5
    final: dict[str | None, ReceiptVerdict] = {}
    while len(final) < 2 and time.monotonic() < end:
        receipts = [receipt for each in events for receipt in each.receipts]
        final = {each.carrier_ref: each.verdict for each in receipts if each.verdict is not ReceiptVerdict.PENDING}
        time.sleep(0.01)
    ids = [attempt.carrier_ref for attempt in attempts]
    assert final == {ids[0]: ReceiptVerdict.FAILED, ids[2]: ReceiptVerdict.DELIVERED}


def test_query_sm_reports_an_accepted_message_as_accepted_and_an_unknown_id_as_unknown(rig: Bound) -> None:
    carrier = rig.carrier(doubt="queryable")
    given = parcel()
    [attempt] = carrier.send([given])

    answers = carrier.query([given, given], [attempt.carrier_ref, "nobody-s"])

    assert [answer.outcome for answer in answers] == [Outcome.ACCEPTED, Outcome.UNKNOWN]
