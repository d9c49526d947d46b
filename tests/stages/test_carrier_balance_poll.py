"""The balance at a carrier is polled and stored; a low one drains the carrier until it is topped up."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pipeline.stages.admin.carriers import set_carrier, set_carrier_state
from pipeline.stages.carrier_balance_poll import BalancePoller
from schema.vocabulary import CarrierState
from tests.carriers.raw import listening, plain
from tests.world import World

TWILIO = {"account_sid": "AC1", "auth_token": "t0ken", "deadline": 1}
GENERIC = {
    "body": {"to": "${to}", "text": "${text}"},
    "answers": {"accepted": {"statuses": [200]}},
    "balance": {"url": "URL/balance", "amount": "money.left", "currency": "money.currency"},
}
STANDS = "SELECT state, reason, balance, balance_at IS NOT NULL FROM carriers WHERE name = 'vendor'"


class Till:
    """A vendor that says what is left: whatever `says` holds; None: it does not answer."""

    def __init__(self) -> None:
        self.says: object = None
        self.asked = 0

    def serve(self, guest: socket.socket) -> None:
        while b"\r\n\r\n" in guest.recv(65536):
            self.asked += 1
            if self.says is None:
                time.sleep(1.5)
                return
            guest.sendall(plain("200 OK", json.dumps(self.says).encode()))


@pytest.fixture
def till() -> Till:
    return Till()


@contextmanager
def selling(world: World, till: Till, kind: str, settings: dict[str, Any]) -> Iterator[None]:
    """Have a carrier `vendor` of that kind whose other end is the till."""
    with listening(till.serve) as url:
        given = json.loads(json.dumps(settings).replace("URL", url))
        where = {"url": f"{url}/send"} if kind == "generic" else {"base_url": url, "receipts": "open"}
        set_carrier(world.rt, "vendor", kind, given | where)
        yield


def stands(world: World) -> tuple[Any, ...]:
    [row] = world.rows(STANDS)
    return tuple(row)


def test_a_carrier_is_drained_at_a_low_balance_and_resumed_when_it_is_topped_up(world: World, till: Till) -> None:
    received = []
    with selling(world, till, "twilio", TWILIO | {"low_balance": 20}):
        for balance in ("25.50", "19.99", "21", "24.5"):
            till.says = {"account_sid": "AC1", "balance": balance, "currency": "USD"}
            BalancePoller("vendor").look(world.rt)
            received.append(stands(world))

    assert received == [
        ("active", None, "25.5 USD", True),
        ("drained", "low_balance", "19.99 USD", True),
        ("drained", "low_balance", "21 USD", True),
        ("active", None, "24.5 USD", True),
    ]


def test_a_carrier_drained_by_an_operator_is_not_resumed_by_its_balance(world: World, till: Till) -> None:
    till.says = {"money": {"left": 1000, "currency": "EUR"}}
    with selling(world, till, "generic", GENERIC | {"low_balance": 20}):
        set_carrier_state(world.rt, "vendor", CarrierState.DRAINED, "their contract ended")
        BalancePoller("vendor").look(world.rt)

    assert stands(world) == ("drained", "their contract ended", "1000 EUR", True)


def test_a_balance_without_a_limit_is_stored_and_drains_nothing(world: World, till: Till) -> None:
    till.says = {"money": {"left": -3.5}}
    with selling(world, till, "generic", GENERIC | {"balance_seconds": 5}):
        BalancePoller("vendor").look(world.rt)

    assert stands(world) == ("active", None, "-3.5", True)


def test_a_balance_is_polled_once_in_each_interval(world: World, till: Till) -> None:
    till.says = {"account_sid": "AC1", "balance": "100", "currency": "USD"}
    scales = BalancePoller("vendor")
    with selling(world, till, "twilio", TWILIO | {"low_balance": 20}):
        for _ in range(3):
            scales.look(world.rt)

    assert till.asked == 1


def test_a_carrier_without_balance_settings_is_not_polled(world: World, till: Till) -> None:
    with selling(world, till, "twilio", TWILIO):
        BalancePoller("vendor").look(world.rt)
        BalancePoller("nobody").look(world.rt)

    assert (till.asked, stands(world)) == (0, ("active", None, None, False))


@pytest.mark.parametrize("said", [{"balance": "a lot"}, {"balance": "NaN"}, [], None])
def test_an_unreadable_balance_does_not_change_the_carrier(
    world: World, till: Till, said: object, caplog: pytest.LogCaptureFixture
) -> None:
    till.says = said
    with selling(world, till, "twilio", TWILIO | {"low_balance": 20}):
        began = time.monotonic()
        BalancePoller("vendor").look(world.rt)
        took = time.monotonic() - began

    assert stands(world) == ("active", None, None, False)
    assert "does not say what is left" in caplog.text
    assert took < 3
