"""How the HTTP connection pool connects: one connection first, and DNS look-ups that block nothing else."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipeline.carriers.http import make
from pipeline.carriers.http1 import FUSE
from pipeline.carriers.vendors.vendor_client import VendorCarrier
from schema.vocabulary import Outcome
from tests.carriers.conformance import parcel
from tests.carriers.raw import Behaviour, listening, plain, saying

TAKEN = plain("202 Accepted", b'{"id": "x1"}')
NAME = "carrier.example"

resolve = socket.getaddrinfo


class Names:
    """A resolver: of one name it says what the test wants, slowly, or nothing at all."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = threading.Event()
        self.answers.set()
        #: what is said first, one for each look-up; then the name is this host's
        self.faults: list[OSError] = []
        self.addresses = ["127.0.0.1"]

    def look_up(self, host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        if host != NAME:
            return resolve(host, port, *args, **kwargs)
        self.asked += 1
        time.sleep(0.05)
        self.answers.wait(20)
        if self.faults:
            raise self.faults.pop(0)
        return [found for each in self.addresses for found in resolve(each, port, type=socket.SOCK_STREAM)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    yield names
    names.answers.set()
    for thread in threading.enumerate():
        if thread.name == "look-up":
            thread.join(10)


@pytest.fixture
def carrier() -> Iterator[Callable[..., VendorCarrier]]:
    made: list[VendorCarrier] = []

    def at(url: str, **settings: object) -> VendorCarrier:
        made.append(make("alpha", {"base_url": url, "window": 50, "deadline": 2, "connect_timeout": 1, **settings}))
        return made[-1]

    yield at
    for each in made:
        each.close()


def named(url: str) -> str:
    return url.replace("127.0.0.1", NAME)


class Guests:
    """Counts who came."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.came = 0
        self._behaviour = behaviour

    def __call__(self, guest: socket.socket) -> None:
        self.came += 1
        self._behaviour(guest)


def hang_up(guest: socket.socket) -> None:
    guest.recv(65536)


def say_nothing(guest: socket.socket) -> None:
    while guest.recv(65536):
        pass


@pytest.mark.parametrize(
    ("behaviour", "codes", "least"),
    [(hang_up, {"connect", "tls"}, 0.0), (say_nothing, {"connect_timeout"}, 2 * 0.3)],
)
def test_only_two_connection_attempts_are_made_one_after_the_other_when_connecting_fails(
    carrier: Callable[..., VendorCarrier], behaviour: Behaviour, codes: set[str], least: float
) -> None:
    guests = Guests(behaviour)
    with listening(guests) as url:
        began = time.monotonic()
        attempts = carrier(url.replace("http:", "https:"), connect_timeout=0.3).send([parcel() for _ in range(200)])
        assert time.monotonic() - began >= least
    assert guests.came == 2

    assert {attempt.outcome for attempt in attempts} == {Outcome.NOT_WRITTEN}
    found = Counter(attempt.code for attempt in attempts)
    assert found.pop("fused") == 200 - FUSE
    assert found.total() == FUSE
    assert set(found) <= codes


def test_a_single_message_makes_one_connection_attempt(carrier: Callable[..., VendorCarrier]) -> None:
    guests = Guests(hang_up)
    with listening(guests) as url:
        [attempt] = carrier(url.replace("http:", "https:")).send([parcel()])

    assert (attempt.outcome, guests.came) == (Outcome.NOT_WRITTEN, 1)


def test_messages_are_accepted_when_the_second_connection_attempt_succeeds(
    carrier: Callable[..., VendorCarrier], names: Names
) -> None:
    names.faults = [socket.gaierror(socket.EAI_AGAIN, "not now")]
    with listening(saying(TAKEN)) as url:
        attempts = carrier(named(url)).send([parcel() for _ in range(100)])

    assert {attempt.outcome for attempt in attempts} == {Outcome.ACCEPTED}


def test_an_unknown_host_name_is_looked_up_only_twice(carrier: Callable[..., VendorCarrier], names: Names) -> None:
    names.faults = [socket.gaierror(socket.EAI_NONAME, "unknown") for _ in range(50)]
    attempts = carrier(f"http://{NAME}").send([parcel() for _ in range(100)])

    assert Counter(attempt.code for attempt in attempts) == {"dns": FUSE, "fused": 100 - FUSE}
    assert names.asked == 2


def test_after_the_first_connection_all_others_share_one_look_up_and_try_each_address(
    carrier: Callable[..., VendorCarrier], names: Names
) -> None:
    names.addresses = ["127.0.0.2", "127.0.0.1"]
    meeting = threading.Barrier(20)

    def together(guest: socket.socket) -> None:
        guest.recv(65536)
        meeting.wait(5)
        guest.sendall(TAKEN)
        guest.recv(65536)

    with listening(together) as url:
        attempts = carrier(named(url)).send([parcel() for _ in range(20)])

    assert {attempt.outcome for attempt in attempts} == {Outcome.ACCEPTED}
    assert names.asked == 2


def test_the_next_address_of_a_host_is_tried_when_one_does_not_answer(
    carrier: Callable[..., VendorCarrier], names: Names
) -> None:
    names.addresses = ["127.0.0.2", "127.0.0.1"]
    with listening(saying(TAKEN)) as url, ExitStack() as stack:
        # whose queue is full lets nobody in, and does not say so
        full = ("127.0.0.2", urlsplit(url).port)
        hole = stack.enter_context(socket.socket())
        hole.bind(full)
        hole.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full)
        attempts = carrier(named(url)).send([parcel() for _ in range(3)])

    assert [attempt.outcome for attempt in attempts] == [Outcome.ACCEPTED] * 3


def test_a_hanging_look_up_is_not_repeated_and_blocks_neither_send_nor_close(
    carrier: Callable[..., VendorCarrier], names: Names
) -> None:
    names.answers.clear()
    dead = carrier(f"http://{NAME}", connect_timeout=0.1)
    began = time.monotonic()
    for _ in range(2):
        attempts = dead.send([parcel() for _ in range(100)])
        assert Counter(attempt.code for attempt in attempts) == {"connect_timeout": FUSE, "fused": 100 - FUSE}
    dead.close()

    assert time.monotonic() - began < 5
    assert names.asked == 1


def test_a_host_name_that_resolves_again_is_connected_to_again(
    carrier: Callable[..., VendorCarrier], names: Names
) -> None:
    names.answers.clear()
    with listening(saying(TAKEN)) as url:
        alpha = carrier(named(url), connect_timeout=1)
        [lost] = alpha.send([parcel()])
        names.answers.set()
        [taken] = alpha.send([parcel()])

    assert (lost.code, taken.outcome) == ("connect_timeout", Outcome.ACCEPTED)


def test_an_open_connection_stays_in_use_when_its_host_name_no_longer_resolves(
    carrier: Callable[..., VendorCarrier], names: Names
) -> None:
    with listening(saying(TAKEN)) as url:
        alpha = carrier(named(url), connect_timeout=1)
        first = alpha.send([parcel()])
        names.answers.clear()
        rest = alpha.send([parcel() for _ in range(100)])

    assert {attempt.outcome for attempt in [*first, *rest]} == {Outcome.ACCEPTED}
    assert names.asked == 2
