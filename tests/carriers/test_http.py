import json
import shutil
import socket
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipeline.carriers.http import make
from pipeline.carriers.http1 import FUSE
from pipeline.carriers.vendors.vendor_client import VendorCarrier
from pipeline.errors import ConfigurationError
from pipeline.rules.routing.outcomes import is_good
from schema.vocabulary import Outcome
from tests.carriers.conformance import DEADLINE, SOON, WINDOW, Conformance, parcel, refs
from tests.carriers.raw import Behaviour, listening, plain, read_request, reset, saying
from tests.carriers.simulator import ask, read_log, simulator

TAKEN = plain("202 Accepted", b'{"id": "x1"}')
BUSY = b'{"error": {"code": "busy", "message": "later"}}'


class Networked:
    """An HTTP carrier with the real simulator behind it."""

    def __init__(self, url: str, path: Path) -> None:
        self.url = url
        self.path = path
        self.made: list[VendorCarrier] = []

    def carrier(self, script: dict[str, Any] | None = None, **settings: object) -> VendorCarrier:
        ask(f"{self.url}/alpha/script", "PUT", script or {})
        return self.at(self.url, **settings)

    def away(self) -> VendorCarrier:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        return self.at(f"http://127.0.0.1:{port}")

    def at(self, url: str, **settings: object) -> VendorCarrier:
        given = {"base_url": url, "window": WINDOW, "deadline": DEADLINE, "call_deadline": 40, **settings}
        self.made.append(make("alpha", given))
        return self.made[-1]

    def log(self) -> list[dict[str, Any]]:
        return read_log(self.path)

    def peak(self) -> int:
        return int(ask(f"{self.url}/alpha/stats")["peak"])


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Networked]:
    log = tmp_path / "oracle.jsonl"
    with simulator(log, alpha={}) as url:
        rig = Networked(url, log)
        yield rig
        for carrier in rig.made:
            carrier.close()


@pytest.fixture
def alone() -> Iterator[Networked]:
    """Carriers for servers of the test's own."""
    rig = Networked("", Path("nowhere"))
    yield rig
    for carrier in rig.made:
        carrier.close()


class TestHttp(Conformance):
    pass


ANSWERS: dict[str, tuple[bytes, Outcome, str | None]] = {
    "taken": (TAKEN, Outcome.ACCEPTED, None),
    "taken, in chunks": (
        b'HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n6\r\n{"id":\r\n6\r\n "x1"}\r\n0\r\n\r\n',
        Outcome.ACCEPTED,
        None,
    ),
    "taken, after a hint": (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + TAKEN, Outcome.ACCEPTED, None),
    "taken, then closed": (plain("202 Accepted", b'{"id": "x1"}', "connection: close"), Outcome.ACCEPTED, None),
    "202 without an id": (plain("202 Accepted", b"{}"), Outcome.UNKNOWN, "unreadable"),
    "202 with an id that is a number": (plain("202 Accepted", b'{"id": 7}'), Outcome.ACCEPTED, None),
    "202 with an id that is neither": (plain("202 Accepted", b'{"id": [7]}'), Outcome.UNKNOWN, "unreadable"),
    "202 with half its body": (b'HTTP/1.1 202 Accepted\r\ncontent-length: 99\r\n\r\n{"id"', Outcome.UNKNOWN, "timeout"),
    "200": (plain("200 OK", b'{"id": "x1"}'), Outcome.UNKNOWN, "http_200"),
    "a redirect": (plain("302 Found", b"", "location: /elsewhere"), Outcome.UNKNOWN, "http_302"),
    "400 with a body": (plain("400 Bad Request", BUSY), Outcome.REFUSED_PERMANENT, "busy"),
    "422 with a body": (plain("422 Unprocessable", b'{"error": {"code": "21"}}'), Outcome.REFUSED_PERMANENT, "21"),
    "422 without a code": (plain("422 Unprocessable", b'{"error": {}}'), Outcome.REFUSED_PERMANENT, "http_422"),
    "400 without a body": (plain("400 Bad Request", b"<h1>no</h1>"), Outcome.UNKNOWN, "http_400"),
    "401 with a body": (plain("401 Unauthorized", BUSY), Outcome.REFUSED_TRANSIENT, "busy"),
    "404 with a body": (plain("404 Not Found", BUSY), Outcome.REFUSED_TRANSIENT, "busy"),
    "429 with a body": (plain("429 Too Many", BUSY, "retry-after: 3"), Outcome.REFUSED_TRANSIENT, "throttled"),
    "429 without a body": (plain("429 Too Many"), Outcome.REFUSED_TRANSIENT, "throttled"),
    "503 with a body": (plain("503 Unavailable", BUSY), Outcome.REFUSED_TRANSIENT, "busy"),
    "503 without a body": (plain("503 Unavailable"), Outcome.UNKNOWN, "http_503"),
    "500": (plain("500 Oops", BUSY), Outcome.UNKNOWN, "http_500"),
    "502": (plain("502 Bad Gateway", b"<h1>"), Outcome.UNKNOWN, "http_502"),
    "504": (plain("504 Gateway Timeout"), Outcome.UNKNOWN, "http_504"),
    "another protocol": (b"220 mail.example ESMTP\r\n", Outcome.UNKNOWN, "unreadable"),
    "a change of protocol": (
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        Outcome.UNKNOWN,
        "unreadable",
    ),
    "two answers to one request": (TAKEN + TAKEN, Outcome.ACCEPTED, None),
    "an answer without end": (plain("202 Accepted", b"x" * 1_000_000), Outcome.UNKNOWN, "too_long"),
    "nested without end": (plain("202 Accepted", b"[" * 50_000), Outcome.UNKNOWN, "unreadable"),
}


@pytest.mark.parametrize(("answer", "outcome", "code"), ANSWERS.values(), ids=ANSWERS.keys())
def test_each_http_response_has_its_outcome_and_code(
    alone: Networked, answer: bytes, outcome: Outcome, code: str | None
) -> None:
    with listening(saying(answer)) as url:
        carrier = alone.at(url, deadline=SOON if code == "timeout" else DEADLINE)
        attempts = [*carrier.send([parcel()]), *carrier.send([parcel()])]

    assert [(attempt.outcome, attempt.code) for attempt in attempts] == [(outcome, code)] * 2


def _closing(after: bytes) -> Behaviour:
    def behaviour(guest: socket.socket) -> None:
        read_request(guest)
        guest.sendall(after)

    return behaviour


def _ignoring(guest: socket.socket) -> None:
    while guest.recv(65536):
        pass


def _resetting(guest: socket.socket) -> None:
    read_request(guest)
    reset(guest)


def _resetting_unread(guest: socket.socket) -> None:
    guest.recv(1)
    reset(guest)


def _dripping(guest: socket.socket) -> None:
    read_request(guest)
    for byte in TAKEN:
        guest.sendall(bytes([byte]))
        time.sleep(0.1)


FAULTS: dict[str, tuple[Behaviour, Outcome, str | None]] = {
    "closed without an answer": (_closing(b""), Outcome.UNKNOWN, "closed"),
    "closed within the answer": (_closing(TAKEN[:-3]), Outcome.UNKNOWN, "closed"),
    "an answer that ends where the connection does": (
        _closing(b'HTTP/1.0 202 Accepted\r\n\r\n{"id": "x1"}'),
        Outcome.ACCEPTED,
        None,
    ),
    "reset when read": (_resetting, Outcome.UNKNOWN, "reset"),
    "reset before all was read": (_resetting_unread, Outcome.UNKNOWN, "reset"),
    "a byte now and then": (_dripping, Outcome.UNKNOWN, "timeout"),
}


@pytest.mark.parametrize(("behaviour", "outcome", "code"), FAULTS.values(), ids=FAULTS.keys())
def test_each_connection_fault_has_its_outcome_and_code(
    alone: Networked, behaviour: Behaviour, outcome: Outcome, code: str | None
) -> None:
    with listening(behaviour) as url:
        began = time.monotonic()
        [attempt] = alone.at(url, deadline=SOON if code == "timeout" else DEADLINE).send([parcel()])

    assert (attempt.outcome, attempt.code) == (outcome, code)
    assert time.monotonic() - began < SOON + 3


def test_a_reset_on_a_reused_connection_is_unknown_and_the_request_is_not_repeated(alone: Networked) -> None:
    seen: list[bytes] = []

    def behaviour(guest: socket.socket) -> None:
        seen.append(read_request(guest))
        guest.sendall(TAKEN)
        if more := read_request(guest):
            seen.append(more)
            reset(guest)

    with listening(behaviour) as url:
        carrier = alone.at(url)
        parcels = [parcel(), parcel()]
        attempts = [attempt for each in parcels for attempt in carrier.send([each])]

    assert [attempt.outcome for attempt in attempts] == [Outcome.ACCEPTED, Outcome.UNKNOWN]
    assert [json.loads(body)["ref"] for body in seen] == [str(ref) for ref in refs(parcels)]


def test_a_connection_with_an_unrequested_response_is_not_reused(alone: Networked) -> None:
    guests: list[int] = []

    def behaviour(guest: socket.socket) -> None:
        guests.append(1)
        saying(TAKEN + plain("202 Accepted", b'{"id": "x2"}'))(guest)

    with listening(behaviour) as url:
        carrier = alone.at(url)
        attempts = [*carrier.send([parcel()]), *carrier.send([parcel()])]

    assert [attempt.carrier_ref for attempt in attempts] == ["x1", "x1"]
    assert len(guests) == 2


def test_an_idle_connection_that_the_server_closed_is_not_reused(alone: Networked) -> None:
    with listening(_closing(TAKEN)) as url:
        carrier = alone.at(url)
        attempts = []
        for _ in range(5):
            attempts += carrier.send([parcel()])
            time.sleep(0.05)

    assert [attempt.outcome for attempt in attempts] == [Outcome.ACCEPTED] * 5


def test_at_the_call_deadline_requests_in_flight_are_unknown_and_the_rest_not_written(alone: Networked) -> None:
    with listening(_ignoring) as url:
        carrier = alone.at(url, window=2, deadline=1, call_deadline=2.9)
        began = time.monotonic()
        attempts = carrier.send([parcel() for _ in range(20)])
        took = time.monotonic() - began

    assert took < DEADLINE
    outcomes = [(attempt.outcome, attempt.code) for attempt in attempts]
    assert outcomes == [(Outcome.UNKNOWN, "timeout")] * 4 + [(Outcome.NOT_WRITTEN, "no_time")] * 16


def test_each_call_of_threads_that_share_a_carrier_ends_by_its_call_deadline(alone: Networked) -> None:
    calls: list[tuple[float, tuple[Outcome, str | None]]] = []

    with listening(_ignoring) as url:
        carrier = alone.at(url, deadline=2, call_deadline=3)

        def send() -> None:
            began = time.monotonic()
            [attempt] = carrier.send([parcel()])
            calls.append((time.monotonic() - began, (attempt.outcome, attempt.code)))

        threads = [Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert max(took for took, _ in calls) < 4
    words = Counter(word for _, word in calls)
    assert words == {(Outcome.UNKNOWN, "timeout"): 1, (Outcome.NOT_WRITTEN, "no_time"): 3}


def test_sending_over_a_closed_carrier_is_no_sign_of_ill_health(alone: Networked) -> None:
    carrier = alone.at("http://127.0.0.1:1")
    carrier.close()

    [attempt] = carrier.send([parcel()])

    assert (attempt.outcome, attempt.code) == (Outcome.NOT_WRITTEN, "put_away")
    assert is_good(attempt) is None


def test_all_messages_are_sent_over_the_open_connections_when_no_more_are_accepted(alone: Networked) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    guests: list[socket.socket] = []

    def welcome_three() -> None:
        with server:
            guests.extend(server.accept()[0] for _ in range(3))

    def serve(guest: socket.socket) -> None:
        with guest:
            saying(TAKEN)(guest)

    welcoming = Thread(target=welcome_three)
    welcoming.start()
    carrier = alone.at(f"http://127.0.0.1:{server.getsockname()[1]}")
    sending = Thread(target=carrier.send, args=([parcel() for _ in range(3)],))
    sending.start()
    welcoming.join()
    serving = [Thread(target=serve, args=(guest,)) for guest in guests]
    for thread in serving:
        thread.start()
    sending.join()

    attempts = carrier.send([parcel() for _ in range(100)])

    assert [attempt.outcome for attempt in attempts] == [Outcome.ACCEPTED] * 100
    carrier.close()
    for thread in serving:
        thread.join()


def test_messages_to_a_host_name_that_does_not_resolve_are_not_written(alone: Networked) -> None:
    attempts = alone.at("http://carrier.invalid", connect_timeout=0.5).send([parcel(), parcel()])

    assert {attempt.outcome for attempt in attempts} == {Outcome.NOT_WRITTEN}
    assert {attempt.code for attempt in attempts} <= {"dns", "connect_timeout"}


def test_messages_to_a_host_that_does_not_accept_connections_are_not_written(alone: Networked) -> None:
    with socket.socket() as server, ExitStack() as queue:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        carrier = alone.at(f"http://127.0.0.1:{server.getsockname()[1]}", connect_timeout=0.2)
        began = time.monotonic()
        attempts = carrier.send([parcel() for _ in range(1000)])

    assert time.monotonic() - began < 3
    assert {attempt.outcome for attempt in attempts} == {Outcome.NOT_WRITTEN}
    assert Counter(attempt.code for attempt in attempts) == {"connect_timeout": FUSE, "fused": 1000 - FUSE}


def test_after_a_number_of_refused_connections_the_remaining_messages_are_not_tried(alone: Networked) -> None:
    attempts = alone.away().send([parcel() for _ in range(200)])

    assert {attempt.outcome for attempt in attempts} == {Outcome.NOT_WRITTEN}
    assert Counter(attempt.code for attempt in attempts) == {"refused": FUSE, "fused": 200 - FUSE}


@pytest.mark.parametrize(("behaviour", "code"), [(_resetting, "reset"), (_ignoring, "timeout")])
def test_after_a_number_of_requests_without_a_response_no_other_begins(
    alone: Networked, behaviour: Behaviour, code: str
) -> None:
    with listening(behaviour) as url:
        attempts = alone.at(url, window=5, deadline=SOON).send([parcel() for _ in range(200)])

    outcomes = Counter((attempt.outcome, attempt.code) for attempt in attempts)
    assert set(outcomes) == {(Outcome.UNKNOWN, code), (Outcome.NOT_WRITTEN, "fused")}
    assert FUSE <= outcomes[Outcome.UNKNOWN, code] < FUSE + 5


def test_requests_continue_while_the_server_responds_to_some_of_them(alone: Networked) -> None:
    seen = count(1)

    def behaviour(guest: socket.socket) -> None:
        read_request(guest)
        if next(seen) % FUSE:
            reset(guest)
        else:
            guest.sendall(plain("202 Accepted", b'{"id": "x1"}', "connection: close"))

    with listening(behaviour) as url:
        attempts = alone.at(url, window=1).send([parcel() for _ in range(5 * FUSE)])

    assert Counter(attempt.code for attempt in attempts) == {"reset": 5 * (FUSE - 1), None: 5}


def test_a_call_that_stopped_early_does_not_affect_the_next_call(alone: Networked) -> None:
    seen = count(1)

    def behaviour(guest: socket.socket) -> None:
        read_request(guest)
        if next(seen) <= FUSE:
            reset(guest)
        else:
            guest.sendall(TAKEN)
            guest.recv(1)

    with listening(behaviour) as url:
        carrier = alone.at(url, window=1)
        first = carrier.send([parcel() for _ in range(30)])
        [second] = carrier.send([parcel()])

    assert Counter(attempt.code for attempt in first) == {"reset": FUSE, "fused": 10}
    assert second.outcome is Outcome.ACCEPTED


def test_messages_to_a_server_without_tls_are_not_written_when_the_url_is_https(rig: Networked) -> None:
    attempts = rig.at(rig.url.replace("http:", "https:")).send([parcel(), parcel()])

    assert {(attempt.outcome, attempt.code) for attempt in attempts} == {(Outcome.NOT_WRITTEN, "tls")}
    assert rig.log() == []


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("needs openssl")
    path = tmp_path / "both.pem"
    command = (
        f"{openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run([*command.split(), "-keyout", path, "-out", tmp_path / "cert.pem"], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + (tmp_path / "cert.pem").read_bytes())
    return path


def test_tls_is_used_only_with_a_trusted_certificate_for_the_host_name(alone: Networked, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def behaviour(guest: socket.socket) -> None:
        with context.wrap_socket(guest, server_side=True) as secure:
            saying(TAKEN)(secure)

    with listening(behaviour) as url:
        secure_url = url.replace("http://127.0.0.1", "https://localhost")
        [scripted_vendor] = alone.at(secure_url).send([parcel()])
        [friend] = alone.at(secure_url, ca_file=str(certificate)).send([parcel()])
        [impostor] = alone.at(url.replace("http:", "https:"), ca_file=str(certificate)).send([parcel()])
        for carrier in alone.made:
            carrier.close()

    assert (scripted_vendor.outcome, scripted_vendor.code) == (Outcome.NOT_WRITTEN, "tls")
    assert friend.outcome is Outcome.ACCEPTED
    assert (impostor.outcome, impostor.code) == (Outcome.NOT_WRITTEN, "tls")


ECHOES = ["+491709876543", "491709876543", "sesame street", "a\r\nb", "x" * 41, ""]


@pytest.mark.parametrize("echo", ECHOES)
def test_an_error_that_echoes_the_number_or_text_is_not_quoted_in_the_attempt(alone: Networked, echo: str) -> None:
    error = {"error": {"code": echo, "message": "no route to +491709876543: sesame street"}}
    with listening(saying(plain("422 No", json.dumps(error).encode(), "retry-after: 491709876543"))) as url:
        [attempt] = alone.at(url).send([parcel("sesame street", to="+491709876543")])

    assert (attempt.outcome, attempt.code, attempt.detail) == (Outcome.REFUSED_PERMANENT, "http_422", "http_422")


def test_the_request_has_the_path_the_token_and_all_fields_of_the_message(alone: Networked) -> None:
    seen: list[bytes] = []

    def behaviour(guest: socket.socket) -> None:
        seen.append(guest.recv(65536))
        guest.sendall(TAKEN)

    with listening(behaviour) as url:
        carrier = alone.at(f"{url}/v1/", carrier="our acct", token="s3cret", receipt_url="http://us/receipts/alpha")
        given = parcel("hi")
        carrier.send([given])

    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/our%20acct/messages HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"\r\nauthorization: Bearer s3cret\r\n" in head
    assert json.loads(body) == {
        "ref": str(given.ref),
        "to": given.to,
        "from": "ACME",
        "text": "hi",
        "encoding": "UCS2",
        "segments": 1,
        "receipt_url": "http://us/receipts/alpha",
    }


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "base_url is required"),
        ({"base_url": "ftp://x"}, "base_url must be an http"),
        ({"base_url": "http://"}, "base_url must be an http"),
        ({"base_url": "http://x:99999"}, "base_url "),
        ({"base_url": "http://x?a=b"}, "base_url must end with its path"),
        ({"base_url": "http://x y"}, "base_url must be an http"),
        ({"base_url": "http://x/\r\nevil: 1"}, "base_url must be printable"),
        ({"base_url": f"http://{'x' * 70}.com"}, "base_url "),
        ({"base_url": "http://x", "window": 0}, "window must be a number from 1"),
        ({"base_url": "http://x", "window": 1.5}, "window must be a whole number"),
        ({"base_url": "http://x", "deadline": "10"}, "deadline must be a number"),
        ({"base_url": "http://x", "deadline": 10, "call_deadline": 10}, "call_deadline must be a number from 11"),
        ({"base_url": "http://x", "connect_timeout": 11}, "connect_timeout must be a number from 0.05 to 10"),
        ({"base_url": "http://x", "token": "€"}, "token must be ASCII"),
        ({"base_url": "http://x", "ca_file": "/nowhere"}, "ca_file must be a readable file"),
        ({"base_url": "http://x", "windwo": 5}, "windwo is no setting"),
    ],
)
def test_an_invalid_setting_is_refused_by_its_name(settings: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"carrier alpha: {named}"):
        make("alpha", settings)
