"""The gateway is killed between commit and response; its client repeats the request."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.runtime import Runtime
from pipeline.stages.admin.person_import import add_person
from tests.dialects.vendors import Vendor, issue
from tests.journeys.installation import PRICE, Installation, wait_for
from tests.journeys.test_faults_workers import mined

SECRET = "a secret of this journey, long enough"
KEY = "019b7a2e-4d51-7c3a-9f10-2b6c1d3e4f50"


@dataclass(slots=True)
class Customer:
    """Somebody who sends one message under one key, and asks until he is told."""

    port: int
    path: str
    headers: dict[str, str]
    body: dict[str, str]

    def ask(self) -> tuple[int, Mapping[str, str], Any]:
        """Return the answer: status, headers, JSON; OSError or HTTPException when none comes."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            line.request("POST", self.path, json.dumps(self.body), {"Content-Type": "application/json", **self.headers})
            answer = line.getresponse()
            return answer.status, dict(answer.getheaders()), json.loads(answer.read())
        finally:
            line.close()

    def ask_until_answered(self) -> tuple[int, Mapping[str, str], Any]:
        """Return the answer, as clients ask: again where a connection breaks before one came.

        A connection that was made to a gateway as it died is reset, also after the next one listens.
        """
        for _ in range(9):
            with suppress(ConnectionError, http.client.RemoteDisconnected):
                return self.ask()
        return self.ask()


@pytest.fixture
def rt(installation: Installation) -> Iterator[Runtime]:
    """A runtime with the gateway's secret key."""
    made = Runtime(installation.settings.model_copy(update={"secret_key": SecretStr(SECRET)}))
    yield made
    made.close()


def open_gateway(installation: Installation) -> int:
    """Start a gateway that the mines lie in; return its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    mined(installation, POSTROAD_SECRET_KEY=SECRET, POSTROAD_GATEWAY_PORT=str(port))
    installation.start("gateway")
    await_gateway(installation, port)
    return port


def await_gateway(installation: Installation, port: int, *, ended: int = 0) -> None:
    """Return when the gateway listens, started again so many times: one that is being killed may listen still."""

    def answers() -> bool:
        installation.revive()
        if len(installation.revived) < ended:
            return False
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    wait_for(answers, 40, why="the gateway listens")


def of_robase(rt: Runtime, port: int) -> Customer:
    key = issue(rt, "acme", Vendor.ROBASE).credentials["api_key"]
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": KEY}
    return Customer(port, "/robase/v1/sms", headers, {"to": "+2348012345678", "from": "ACME", "body": "Hello"})


def of_solaris(rt: Runtime, port: int) -> Customer:
    add_person(rt, "acme", "known", "+2348012345678", verified=True)
    shown = issue(rt, "acme", Vendor.SOLARIS).credentials
    form = f"grant_type=client_credentials&client_id={shown['client_id']}&client_secret={shown['client_secret']}"
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    line.request("POST", "/solaris/oauth2/token", form, {"Content-Type": "application/x-www-form-urlencoded"})
    token = json.loads(line.getresponse().read())["access_token"]
    line.close()
    body = {"person_id": "known", "text": "Hello", "purpose": "a journey", "idempotency_key": KEY}
    return Customer(port, "/solaris/v1/sms/messages", {"Authorization": f"Bearer {token}"}, body)


@pytest.mark.parametrize("customer_of", [of_robase, of_solaris])
def test_a_request_repeated_with_its_idempotency_key_after_a_gateway_kill_returns_the_message(
    installation: Installation, rt: Runtime, customer_of: Callable[[Runtime, int], Customer]
) -> None:
    port = open_gateway(installation)
    customer = customer_of(rt, port)
    (installation.home / "after_accept").touch()

    with pytest.raises((OSError, http.client.HTTPException)):
        customer.ask()
    assert not (installation.home / "after_accept").exists()
    [(request, message)] = installation.rows("SELECT request_id, id FROM messages")
    await_gateway(installation, port, ended=1)
    answers = [customer.ask_until_answered() for _ in range(3)]

    assert installation.revived == ["gateway"]
    assert {(status, content["id"]) for status, _, content in answers} == {(202, str(message))}
    assert answers[0][2] == answers[1][2] == answers[2][2]
    if customer_of is of_robase:
        assert {headers.get("Idempotent-Replay") for _, headers, _ in answers} == {"true"}
    installation.submitted[request] = 1
    installation.start()
    installation.await_ready("worker", "lane", "clock")
    verdict = installation.all_is_well()
    assert (verdict.messages, verdict.taken) == (1, 1)
    assert installation.world.balance() == 1_000_000_000 - PRICE
