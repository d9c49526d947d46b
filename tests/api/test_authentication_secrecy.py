"""Failed authentication has one response: it discloses neither which keys exist nor whether they are valid."""

import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from pipeline.dialects.solaris import authentication
from pipeline.stages.admin.accounts import create_account, set_account_state
from pipeline.stages.admin.api_keys import revoke
from pipeline.store import carriers
from schema.vocabulary import AccountState, CarrierState
from tests.api.conftest import Answer, RunningGateway
from tests.api.hostile_requests import FORM
from tests.api.test_telesign_api import BODY, Customer
from tests.dialects.vendors import Vendor, issue
from tests.world import World


def reported(answer: Answer) -> tuple[int, bytes, Mapping[str, str]]:
    """Return an answer without what differs by call."""
    body = re.sub(
        rb"[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}|[0-9a-f]{16}|\d{4}-\d\d-\d\dT[^\"]*", b"", answer.body
    )
    return (
        answer.status,
        body,
        {name: word for name, word in answer.headers.items() if name not in ("date", "content-length")},
    )


#: how a key stands, apart from its secret
STANDINGS = ("active", "suspended", "revoked", "expired", "from elsewhere", "unknown")
#: those of keys that are not in force: the right secret gets the response of a wrong one
GONE = ("revoked", "expired", "unknown")


def state(world: World, standing: str, dialect: Vendor) -> dict[str, str]:
    """Make a key that stands so; return its credentials."""
    name = {"suspended": "bolt"}.get(standing, "acme")
    networks = ["203.0.113.0/24"] if standing == "from elsewhere" else []
    key = issue(world.rt, name, dialect, networks=networks)
    if standing == "revoked":
        revoke(world.rt, name, key.id)
    if standing == "expired":
        world.run("UPDATE api_keys SET expires_at = now() WHERE id = %(id)s", id=key.id)
    return dict(key.credentials)


@pytest.fixture
def two(world: World) -> World:
    """A world with a second account, which is suspended."""
    create_account(world.rt, "bolt", "NGN")
    set_account_state(world.rt, "bolt", AccountState.SUSPENDED)
    return world


def test_token_requests_with_a_wrong_secret_get_one_response_whatever_the_client(
    two: World, running_gateway: RunningGateway
) -> None:
    def ask(standing: str, secret: str | None, by: str) -> Answer:
        shown = state(two, standing, Vendor.SOLARIS)
        id_ = "nobody" if standing == "unknown" else shown["client_id"]
        word = secret or shown["client_secret"]
        form, headers = "grant_type=client_credentials", {"Content-Type": FORM}
        if by == "form":
            form += f"&client_id={id_}&client_secret={word}"
        else:
            headers["Authorization"] = "Basic " + b64encode(f"{id_}:{word}".encode()).decode()
        return running_gateway.ask("POST", "/solaris/oauth2/token", form, headers)

    for by in ("form", "header"):
        wrong = [reported(ask(standing, "wrong", by)) for standing in STANDINGS]
        gone = [reported(ask(standing, None, by)) for standing in GONE]

        assert all(each == wrong[0] for each in [*wrong, *gone]), wrong
        assert wrong[0][0] == 401
        assert [ask(each, None, by).status for each in ("active", "suspended", "from elsewhere")] == [200, 400, 400]


def test_expired_and_forged_tokens_get_one_response_whatever_the_partner(
    two: World, running_gateway: RunningGateway
) -> None:
    vault, now = two.rt.vault, two.rt.now()

    def ask(standing: str, seconds: int, forged: bool = False) -> Answer:
        token = authentication.make(
            state(two, standing, Vendor.SOLARIS)["client_id"], now.replace(year=now.year + seconds), vault
        )
        token = token[:-3] + "AAA" if forged else token
        return running_gateway.ask("GET", "/solaris/v1/persons/x", None, {"Authorization": f"Bearer {token}"})

    existing = [standing for standing in STANDINGS if standing != "unknown"]
    expired = [reported(ask(standing, -1)) for standing in existing]
    forged = [reported(ask(standing, 1, forged=True)) for standing in existing]
    gone = [reported(ask(standing, 1)) for standing in ("revoked", "expired")]

    assert all(each == expired[0] for each in [*expired, *forged, *gone])
    assert expired[0][0] == 401
    assert [ask(each, 1).status for each in ("active", "suspended", "from elsewhere")] == [404, 403, 403]


@pytest.mark.parametrize("method", ["signature", "password"])
def test_telesign_requests_with_a_wrong_key_get_one_response_whatever_the_customer(
    two: World, running_gateway: RunningGateway, method: str
) -> None:
    def ask(standing: str, right: bool = False) -> Answer:
        shown = state(two, standing, Vendor.TELESIGN)
        customer = Customer(running_gateway)
        customer.id = "FFFFFFFF-EEEE-DDDD-1234-AB1234567890" if standing == "unknown" else shown["customer_id"]
        customer.secret = shown["api_key"] if right else b64encode(64 * b"x").decode()
        if method == "signature":
            # what should have been signed is told: it is the caller's own words
            headers = customer.signed("POST", "/v1/verify/sms", BODY, nonce="n" * 10 + standing[:2] + str(right))
            headers["x-ts-nonce"] = headers["x-ts-nonce"] if right else "a nonce of mine"
            headers["Date"] = headers["Date"] if right else headers["Date"][:-12] + "00:00 GMT"
        else:
            basic = b64encode(f"{customer.id}:{customer.secret}".encode()).decode()
            headers = {"Authorization": f"Basic {basic}", "Content-Type": FORM}
        return running_gateway.ask("POST", "/telesign/v1/verify/sms", BODY, headers)

    wrong = [reported(ask(standing)) for standing in STANDINGS]
    gone = [ask(standing, right=True).status for standing in GONE]

    assert all(each == wrong[0] for each in wrong), wrong
    assert wrong[0][0] == 401
    assert gone == [401, 401, 401]
    assert b"-30001" in ask("suspended", right=True).body
    assert b"-10009" in ask("from elsewhere", right=True).body


def test_the_date_tolerance_of_a_key_is_disclosed_only_with_a_valid_signature(
    world: World, running_gateway: RunningGateway
) -> None:
    strict = Customer(running_gateway, settings={"tolerance": 1})
    old = format_datetime(datetime.now(UTC) - timedelta(minutes=2), usegmt=True)

    def ask(secret: str) -> bytes:
        strict.secret = secret
        return running_gateway.ask(
            "POST", "/telesign/v1/verify/sms", BODY, strict.signed("POST", "/v1/verify/sms", BODY, date_rfc2616=old)
        ).body

    assert b"-30006" in ask(b64encode(64 * b"x").decode())
    assert b"-30010" in ask(strict.credentials["api_key"])


@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("/robase/v1/sms", "Authorization"),
        ("/webex/v1/sms", "X-AUTH-KEY"),
        ("/postroad/v1/messages", "Authorization"),
    ],
)
def test_a_revoked_or_expired_key_gets_the_same_response_as_an_unknown_key(
    two: World, running_gateway: RunningGateway, path: str, header: str
) -> None:
    dialect = Vendor(path.split("/")[1])

    def ask(word: str) -> Answer:
        return running_gateway.ask("POST", path, {}, {header: f"Bearer {word}" if header == "Authorization" else word})

    for standing in ("revoked", "expired"):
        [gone] = [word for name, word in state(two, standing, dialect).items() if name in ("api_key", "access_token")]

        assert reported(ask(gone)) == reported(ask(gone[:-4] + "aaaa"))
        assert ask(gone).status == 401


def test_receipts_with_failed_authentication_get_one_response_whatever_the_carrier(
    world: World, running_gateway: RunningGateway
) -> None:
    token = {"base_url": "http://127.0.0.1:1", "receipt_token": "sesame"}
    with world.rt.begin() as conn:
        carriers.save(conn, "active", "http", token)
        carriers.save(conn, "drained", "http", token)
        carriers.save(conn, "signed", "termii", {"base_url": "https://x", "api_key": "k", "secret_key": "sesame"})
        carriers.save(conn, "mute", "smpp", {"host": "127.0.0.1", "port": 1, "system_id": "a", "password": "b"})
    create_carrier(world, "drained")

    def ask(name: str, **headers: str) -> tuple[Any, ...]:
        return reported(running_gateway.ask("POST", f"/receipts/{name}", b'{"id": "1", "status": "gone"}', headers))

    answers = [ask(name) for name in ("active", "drained", "signed", "mute", "nobody", "a%00b", "a/b")]
    answers += [ask("active", Authorization="Bearer x"), ask("signed", **{"X-Termii-Signature": "00"})]

    assert all(each == answers[0] for each in answers), answers
    assert answers[0][0] == 401


def create_carrier(world: World, name: str) -> None:
    world.run("UPDATE carriers SET state = %(state)s WHERE name = %(name)s", state=CarrierState.DRAINED, name=name)
