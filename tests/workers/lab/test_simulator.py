import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipeline.carriers.http import make
from pipeline.carriers.registry import receipt_reader
from pipeline.errors import ConfigurationError
from schema.carriage import Inbound, Parcel, Posted, Receipt
from schema.vocabulary import Outcome, ReceiptVerdict
from tests.carriers.conformance import parcel
from tests.carriers.simulator import ask, read_log, simulator
from workers.lab.simulator.scripts import DEMO, scripts
from workers.lab.simulator.simulator_server import main, serve


class Receiver:
    """Takes receipts as the gateway would, after refusing the first few requests."""

    def __init__(self, refuse: int = 0) -> None:
        self.refuse = refuse
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.receipts: list[Receipt] = []
        self.inbound: list[Inbound] = []
        self.url = ""

    def take(self, headers: dict[str, str], body: bytes) -> int:
        self.requests.append((headers, body))
        if self.refuse >= len(self.requests):
            return 500
        posted = Posted("POST", "/receipts/alpha", headers, body)
        received = receipt_reader("http")("alpha", {}, posted)
        self.receipts += received.receipts
        self.inbound += received.inbound
        return 200

    def wait(self, count: int, seconds: float = 5) -> list[Receipt]:
        """Return the receipts once there are so many."""
        until = time.monotonic() + seconds
        while len(self.receipts) < count and time.monotonic() < until:
            time.sleep(0.01)
        assert len(self.receipts) >= count
        return self.receipts


@contextmanager
def receiving(refuse: int = 0) -> Iterator[Receiver]:
    receiver = Receiver(refuse)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(receiver.take({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}/receipts/alpha"
        yield receiver
        server.shutdown()


def send(url: str, receiver: Receiver | None, parcels: list[Parcel], **settings: object) -> list[Outcome]:
    carrier = make(
        "alpha", {"base_url": url, "receipt_url": receiver.url if receiver else "", "deadline": 5, **settings}
    )
    try:
        return [attempt.outcome for attempt in carrier.send(parcels)]
    finally:
        carrier.close()


def test_accepted_messages_get_delivered_receipts(tmp_path: Path) -> None:
    parcels = [parcel() for _ in range(5)]

    with receiving() as receiver, simulator(tmp_path / "log", alpha={}) as url:
        send(url, receiver, parcels)
        receipts = receiver.wait(5)

    assert {receipt.ref for receipt in receipts} == {each.ref for each in parcels}
    assert {receipt.carrier_ref for receipt in receipts} == {line["carrier_id"] for line in read_log(tmp_path / "log")}
    assert {receipt.verdict for receipt in receipts} == {ReceiptVerdict.DELIVERED}


def test_messages_accepted_without_a_response_get_receipts_and_refused_ones_do_not() -> None:
    silent, refused, dropped = (parcel(to=f"+49170123456{n}") for n in (1, 2, 3))
    script = {"numbers": {"1": "silent", "2": "refuse:21", "3": "drop"}, "receipts": {"delay": 0}}

    with receiving() as receiver, simulator(alpha=script) as url:
        outcomes = send(url, receiver, [silent, refused, dropped], deadline=1.5)
        receiver.wait(1)
        time.sleep(0.1)

    assert outcomes == [Outcome.UNKNOWN, Outcome.REFUSED_PERMANENT, Outcome.UNKNOWN]
    assert [receipt.ref for receipt in receiver.receipts] == [silent.ref]


def test_receipts_follow_the_script_of_their_number() -> None:
    courses = {"1": "failed:5", "2": "duplicate:3", "3": "out_of_order", "4": "never", "5": "late:0.3"}
    parcels = {n: parcel(to=f"+49170123456{n}") for n in courses}

    with receiving() as receiver, simulator(alpha={"receipts": {"numbers": courses, "delay": 0.01}}) as url:
        send(url, receiver, list(parcels.values()))
        receipts = receiver.wait(7)

    by_number = {n: [receipt for receipt in receipts if receipt.ref == each.ref] for n, each in parcels.items()}
    assert [(receipt.verdict, receipt.code) for receipt in by_number["1"]] == [(ReceiptVerdict.FAILED, "5")]
    assert [receipt.verdict for receipt in by_number["2"]] == [ReceiptVerdict.DELIVERED] * 3
    assert len({receipt.key for receipt in by_number["2"]}) == 1
    assert [receipt.verdict for receipt in by_number["3"]] == [ReceiptVerdict.DELIVERED, ReceiptVerdict.PENDING]
    assert by_number["4"] == []
    assert receipts[-1].ref == parcels["5"].ref


def test_receipts_due_together_are_posted_together() -> None:
    with receiving() as receiver, simulator(alpha={"receipts": {"delay": 0.3}}) as url:
        send(url, receiver, [parcel() for _ in range(500)])
        receiver.wait(500)

    assert len(receiver.requests) < 100
    assert max(len(json.loads(body)) for _, body in receiver.requests) <= 100


def test_a_receipt_is_posted_again_until_it_is_accepted() -> None:
    with receiving(refuse=2) as receiver, simulator(alpha={"receipts": {"delay": 0}}) as url:
        send(url, receiver, [parcel()])
        receiver.wait(1)
        stats = ask(f"{url}/alpha/stats")["receipts"]

    assert len({body for _, body in receiver.requests}) == 1
    assert len(receiver.requests) == 3
    assert stats["given_up"] == 0


def test_receipts_are_posted_with_the_bearer_token() -> None:
    with receiving() as receiver, simulator(alpha={"receipts": {"token": "s3cret", "delay": 0}}) as url:
        send(url, receiver, [parcel()])
        receiver.wait(1)

    assert receiver.requests[0][0]["authorization"] == "Bearer s3cret"


def test_a_message_without_a_receipt_url_gets_no_receipt() -> None:
    with simulator(alpha={"receipts": {"delay": 0}}) as url:
        send(url, None, [parcel()])

        assert ask(f"{url}/alpha/stats")["receipts"] == {"waiting": 0, "taken": 0, "given_up": 0}


def test_inbound_messages_are_posted_to_the_receipt_url() -> None:
    written = {"from": "+2348031234567", "to": "2345", "text": "STOP"}

    with receiving() as receiver, simulator(alpha={"receipts": {"never": 1}}) as url:
        send(url, receiver, [parcel()])
        assert ask(f"{url}/alpha/inbound", "POST", written) == {"by": "http"}
        until = time.monotonic() + 5
        while not receiver.inbound and time.monotonic() < until:
            time.sleep(0.01)

    [inbound] = receiver.inbound
    assert (inbound.phone, inbound.sender, inbound.body) == tuple(written.values())
    assert inbound.key
    assert inbound.at


def test_a_stranger_receipt_refers_to_an_unknown_message() -> None:
    sent = parcel()

    with receiving() as receiver, simulator(alpha={"receipts": {"stranger": 1, "delay": 0}}) as url:
        send(url, receiver, [sent])
        scripted_vendor, own = receiver.wait(2)

    assert (scripted_vendor.ref, own.ref) == (None, sent.ref)
    assert scripted_vendor.carrier_ref != own.carrier_ref


def test_carriers_share_the_port_but_not_their_scripts(tmp_path: Path) -> None:
    with simulator(tmp_path / "log", alpha={"refuse": 1}, beta={}) as url:
        outcomes = [send(url, None, [parcel()], carrier=name) for name in ("alpha", "beta")]
        decisions = [ask(f"{url}/{name}/stats")["decisions"] for name in ("alpha", "beta")]

    assert outcomes == [[Outcome.REFUSED_PERMANENT], [Outcome.ACCEPTED]]
    assert decisions == [{"refuse": 1}, {"accept": 1}]


def test_a_script_can_be_changed_at_run_time() -> None:
    with simulator(alpha={}) as url:
        ask(f"{url}/alpha/script", "PUT", {"refuse:21": 1})
        ask(f"{url}/gamma/script", "PUT", {"down": True})

        assert ask(f"{url}/alpha/script") == {"refuse:21": 1}
        assert send(url, None, [parcel()]) == [Outcome.REFUSED_PERMANENT]
        assert send(url, None, [parcel()], carrier="gamma") == [Outcome.REFUSED_TRANSIENT]


@pytest.mark.parametrize("script", [{"refuze": 1}, [], {"refuse": 2}])
def test_an_invalid_script_is_refused_and_changes_nothing(script: Any) -> None:
    with simulator(alpha={"refuse": 1}) as url:
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(f"{url}/alpha/script", "PUT", script)
        with refused.value as answer:
            assert answer.code == 400
            assert "carrier alpha: script:" in json.load(answer)["error"]["message"]

        assert ask(f"{url}/alpha/script") == {"refuse": 1}


def test_health_and_log_are_served_over_http(tmp_path: Path) -> None:
    sent = parcel()

    with simulator(tmp_path / "log", alpha={}, beta={}) as url:
        send(url, None, [sent])

        assert ask(f"{url}/healthz") == {"ok": True}
        assert ask(f"{url}/alpha/log")["ref"] == str(sent.ref)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "alpha/messages", {"ref": "r", "to": "+1"}, 400),
        ("POST", "alpha/messages", [], 400),
        ("POST", "nobody/messages", {"ref": "r", "to": "+1", "text": "x"}, 404),
        ("DELETE", "alpha/script", None, 404),
        ("GET", "alpha/log", None, 400),
    ],
)
def test_an_invalid_request_gets_an_error_with_a_message(method: str, path: str, body: Any, status: int) -> None:
    with simulator(alpha={}) as url, pytest.raises(urllib.error.HTTPError) as refused:
        ask(f"{url}/{path}", method, body)

    with refused.value as answer:
        assert answer.code == status
        assert json.load(answer)["error"]["message"]


def test_a_connection_that_does_not_speak_http_gets_400() -> None:
    with simulator(alpha={}) as url, socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as guest:
        guest.sendall(b"EHLO\r\n\r\n")

        assert guest.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_the_simulator_stops_on_sigterm_with_a_complete_log(tmp_path: Path) -> None:
    code = "from pathlib import Path; from workers.lab.simulator.simulator_server import main; "
    code += "main(port=0, smpp_port=0, log=Path('log'))"
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": root}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        announced = process.stdout.readline()
        url = announced.split()[3].rstrip(":")
        send(url, None, [parcel()], carrier="beta")
        process.send_signal(signal.SIGTERM)

        assert process.wait(5) == 0
    assert announced.endswith(": alpha, beta\n")
    assert len(read_log(tmp_path / "log")) == 1


def test_a_port_in_use_and_an_invalid_script_are_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(ConfigurationError, match=f"simulator: cannot listen on 127.0.0.1:{port}: "):
            asyncio.run(serve(DEMO, asyncio.Event(), port=port))
        with pytest.raises(ConfigurationError, match="alpha: script: refuze must be one of"):
            main(['alpha={"refuze": 1}'], port=0)


def test_the_demo_scripts_refuse_a_tenth_at_alpha_and_drop_a_hundredth_at_beta() -> None:
    alpha, beta = scripts().values()

    assert [alpha[word] for word in ("refuse_transient", "throttle")] == [0.08, 0.02]
    assert beta == {"seed": 0, "drop": 0.01, "latency_ms": 5}


def test_scripts_are_read_from_a_file_and_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "carriers.toml").write_text('[alpha]\nrefuse = 0.1\n[beta.numbers]\n"0001" = "silent"\n')
    (tmp_path / "carriers.json").write_text('{"alpha": {"seed": 9}}')

    from_toml = scripts(tmp_path / "carriers.toml", ["gamma", 'beta={"down": true}'], seed=7)
    from_json = scripts(tmp_path / "carriers.json", seed=7)

    assert from_toml == {
        "alpha": {"seed": 7, "refuse": 0.1},
        "beta": {"seed": 7, "down": True},
        "gamma": {"seed": 7},
    }
    assert from_json == {"alpha": {"seed": 9}}


@pytest.mark.parametrize(
    ("file", "carriers", "named"),
    [
        (None, ["alpha={"], "--carrier alpha: the script is not JSON"),
        (None, ["alpha=[]"], "--carrier alpha: the script must be an object"),
        ("[1]", [], "must map each carrier's name to a script"),
        ('{"alpha": 1}', [], "must map each carrier's name to a script"),
        ("{", [], "carriers.json: "),
    ],
)
def test_an_invalid_configuration_is_reported(
    tmp_path: Path, file: str | None, carriers: list[str], named: str
) -> None:
    path = tmp_path / "carriers.json"
    if file:
        path.write_text(file)

    with pytest.raises(ConfigurationError, match=named):
        scripts(path if file else None, carriers)
